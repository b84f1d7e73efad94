"""What a deep belief network and a deep Boltzmann machine share once they are fitted: codes, scores, samples, log Z.

The estimator keeps a frozen net, ``net_``, with the formulas: ``widths``, ``codes(chunk, layer)``, ``reconstructed``,
``closeness`` and ``dreamed(n_steps, means, job)`` of chunks (belief_machine.py, boltzmann_machine.py).
"""

from functools import partial
from typing import Any

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from featlearn.arrays import blocks
from featlearn.streaming import is_out_of_core, map_chunks
from featlearn.threads import map_in_order, n_threads
from featlearn.validation import boolean, check_argument, check_rows, integer, one_of, optional, real
from featlearn.vectors.features import FeaturesMixin, MeanScoreMixin
from featlearn.vectors.rbm_partition import LogPartition

CHAINS = 64  # in a block


def seeds(random_state: Any) -> np.random.SeedSequence:
    """The root of the seeds of blocks."""
    return np.random.SeedSequence([int(s) for s in check_random_state(random_state).randint(2**31 - 1, size=2)])


class GenerativeMixin(FeaturesMixin, MeanScoreMixin):
    """Methods of a fitted deep generative net; it provides ``_log_partition(method, n_chains, n_betas, seed)``."""

    net_: Any

    @property
    def _n_features_out(self):
        return self.net_.widths[-1]

    def _log_partition(self, method: str, n_chains: int, n_betas: int, seed: np.random.SeedSequence) -> LogPartition:
        raise NotImplementedError

    def transform(self, X: Any, layer: int | None = None) -> Any:
        """Codes of samples: means of a layer's units.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, stream of chunks or Dask array
            The samples.
        layer : int or None, default=None
            1 for the first hidden layer and so on; None for the top one.

        Returns
        -------
        codes : array (n_samples, n_units of the layer), a generator of chunks, or a Dask array
            float32 if X is.
        """
        check_is_fitted(self)
        top = len(self.net_.widths)
        check_argument(type(self).__name__, "layer", layer, optional(integer(1, top)))
        X = check_rows(self, X, reset=False)
        return map_chunks(partial(self.net_.codes, layer=top if layer is None else int(layer)), X)

    def reconstruct(self, X: Any) -> Any:
        """Means of the visible units given the means of the hidden ones.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, stream of chunks or Dask array
            The samples.

        Returns
        -------
        means : array (n_samples, n_features), a generator of chunks, or a Dask array
            Probabilities of binary visibles, means of Gaussian ones.
        """
        check_is_fitted(self)
        return map_chunks(self.net_.reconstructed, check_rows(self, X, reset=False))

    def _scored(self, X):
        """The formula of `score_samples`, rows that were checked, and how many of them are a chunk."""
        check_is_fitted(self)
        return self.net_.closeness, check_rows(self, X, reset=False), None

    def score_samples(self, X: Any) -> Any:
        """How well the net knows each sample: minus the squared error of `reconstruct`, of standardized rows if so.

        Parameters
        ----------
        X : array (n_samples, n_features), memmap, stream of chunks or Dask array
            The samples.

        Returns
        -------
        scores : array (n_samples,), a generator of chunks, or a Dask array
            At most 0. `log_likelihood` tells more, and costs more.
        """
        scores, X, rows = self._scored(X)
        return map_chunks(scores, X, rows=rows)

    def _dreams(self, n_samples, labels, n_steps, means, random_state):
        """The ends of ``n_samples`` chains; ``labels`` are the places of theirs, or None."""
        check_is_fitted(self)
        for name, value in {"n_samples": n_samples, "n_steps": n_steps}.items():
            check_argument(type(self).__name__, name, value, integer(1))
        check_argument(type(self).__name__, "means", means, boolean())
        parts = blocks(n_samples, CHAINS)
        jobs = (
            ((part.stop - part.start, None if labels is None else labels[part]), seed)
            for part, seed in zip(parts, seeds(random_state).spawn(len(parts)), strict=True)
        )
        return np.concatenate(list(map_in_order(partial(self.net_.dreamed, n_steps, means), jobs, n_threads())))

    def log_partition(
        self, method: str = "auto", n_chains: int = 100, n_betas: int = 10_000, random_state: Any = None
    ) -> LogPartition:
        """log Z, exact for few units, else by annealed importance sampling (Salakhutdinov & Murray 2008).

        Of a deep belief network that of its top machine, the labels' sum; chains are shared out among the labels, at
        least 10 for each.

        Parameters
        ----------
        method : {"auto", "exact", "ais"}, default="auto"
            "exact" sums over all states of the smaller half of the units; "auto" does so up to 20 units.
        n_chains, n_betas : int, default=100, 10000
            Chains, and steps of each, of "ais".
        random_state : int, RandomState or None, default=None
            Seed of "ais".

        Returns
        -------
        log_z : LogPartition
            ``value``, and ``error``, its standard error; 0 for an exact value.
        """
        check_is_fitted(self)
        who = type(self).__name__
        check_argument(who, "method", method, one_of("auto", "exact", "ais"))
        for name, value in {"n_chains": n_chains, "n_betas": n_betas}.items():
            check_argument(who, name, value, integer(1))
        return self._log_partition(method, n_chains, n_betas, seeds(random_state))

    def _likelihood_of(self, X, log_z, rng):
        """Rows that were checked, and log Z with its error."""
        check_is_fitted(self)
        who = type(self).__name__
        if is_out_of_core(X):
            raise ValueError(f"{who}.log_likelihood takes an array or an np.memmap; call it on each chunk of a stream.")
        X = check_rows(self, X, reset=False)
        if log_z is None:
            return X, self.log_partition(random_state=rng)
        if isinstance(log_z, LogPartition):
            return X, log_z
        check_argument(who, "log_z", log_z, real())
        return X, LogPartition(float(log_z), 0.0)
