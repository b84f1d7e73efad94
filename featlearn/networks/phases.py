"""Which layers learn in a phase of training, and how fast."""

from typing import Any, Self

from featlearn.networks.layers import FittedLayer
from featlearn.validation import Rule, either, instance, integer, optional, real

PHASE_RULES: dict[str, Rule] = {
    "frozen": either(instance(tuple, list, str), integer(0)),
    "layer_rates": optional(instance(dict)),
    "layer_decay": real(above=0),
}


class PhasesMixin:
    """Layers that stand still, and the shares of learning rate and weight decay of the others."""

    frozen: Any
    layer_rates: dict[str, float] | None
    layer_decay: float
    weight_decay: float
    C: float | None
    layers_: list[FittedLayer]
    _total: float  # the sum of the weights of the rows

    def freeze(self, *names: str) -> Self:
        """Let layers stand still in the next fit (of ``warm_start``) or `partial_fit`.

        Parameters
        ----------
        *names : str
            Of layers, in addition to those that already stand still; none means all but the last.

        Returns
        -------
        self
        """
        self.frozen = tuple(dict.fromkeys([*self._frozen_names(), *(names or self._names()[:-1])]))
        return self

    def unfreeze(self, *names: str) -> Self:
        """Let layers learn again in the next fit (of ``warm_start``) or `partial_fit`.

        Parameters
        ----------
        *names : str
            Of layers; none means all of them.

        Returns
        -------
        self
        """
        unknown = set(names) - set(self._names())
        if unknown:
            raise ValueError(
                f"{type(self).__name__}: there is no layer {sorted(unknown)}; there are {', '.join(self._names())}."
            )
        self.frozen = tuple(name for name in self._frozen_names() if names and name not in names)
        return self

    def _names(self) -> list[str]:
        """The names of the layers, of those to come before the first fit."""
        if hasattr(self, "layers_"):
            return list(dict.fromkeys(fitted.name for fitted in self.layers_))
        return [*(name for name, _ in self._specs()), "output"]  # type: ignore[attr-defined]

    def _frozen_names(self) -> list[str]:
        if isinstance(self.frozen, str):
            return [self.frozen]
        return list(self.frozen) if isinstance(self.frozen, (list, tuple)) else self._names()[: int(self.frozen)]

    def _frozen(self) -> frozenset[int]:
        """The layers that stand still."""
        asked, names = set(self._frozen_names()), self._names()
        unknown = asked - set(names)
        if unknown:
            raise ValueError(
                f"{type(self).__name__}: frozen names {sorted(unknown)}; the layers are {', '.join(names)}."
            )
        blocked = max((i for i, fitted in enumerate(self.layers_) if fitted.layer.blocks), default=-1)
        return frozenset(
            i for i, fitted in enumerate(self.layers_) if fitted.fixed or fitted.name in asked or i <= blocked
        )

    def _rates(self) -> tuple[float, ...]:
        """What multiplies each layer's learning rate: ``layer_decay`` to the power of its distance from the output."""
        names = list(dict.fromkeys(fitted.name for fitted in self.layers_))
        if self.layer_rates is None and self.layer_decay == 1:
            return ()
        rates = {name: float(self.layer_decay) ** (len(names) - 1 - i) for i, name in enumerate(names)}
        unknown = set(self.layer_rates or {}) - set(names)
        if unknown:
            raise ValueError(
                f"{type(self).__name__}: layer_rates names {sorted(unknown)}; the layers are {', '.join(names)}."
            )
        rates |= {name: float(rate) for name, rate in (self.layer_rates or {}).items()}
        return tuple(rates[fitted.name] for fitted in self.layers_)

    def _decays(self) -> tuple[float, ...]:
        """What multiplies each layer's weight decay, which is 1 / (C n) in the output where there is a C."""
        if self.C is None:
            return ()
        others = float(self.weight_decay) * float(self.C) * self._total
        return (*[others] * (len(self.layers_) - 1), 1.0)
