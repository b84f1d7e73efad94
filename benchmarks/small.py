"""Small fits against scikit-learn's, on digits (1,797 x 64) and 200 x 10, at equal optimum, and answers for one row.

Users run grids on data of this size, where the fixed cost of a fit decides. Each line times ours and the peer in turn,
on the same rows, and prints what each reached, so that nobody is fast by stopping early. Lower is better for costs
(inertia, objectives), higher for scores; the last column says which.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, make_blobs
from sklearn.decomposition import PCA, DictionaryLearning, FastICA, LatentDirichletAllocation
from sklearn.metrics import log_loss
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import BernoulliRBM, MLPRegressor
from sklearn.random_projection import GaussianRandomProjection
from sklearn.svm import LinearSVC

import featlearn
from benchmarks.harness import show, side_by_side

Fit = Callable[[], Any]
UNIT = ("RBM", "DenoisingAutoencoder", "LDA")  # their rows lie in [0, 1]


def svm_objective(model: Any, X: np.ndarray, y: np.ndarray, C: float) -> float:
    """Sum over the classes of 1/2 |w|^2 + 1/2 b^2 + C sum(m^2), liblinear's."""
    classes = np.unique(y)
    signs = np.where(y[:, None] == (classes[1:] if len(classes) == 2 else classes), 1, -1)
    slack = np.maximum(0, 1 - signs * (X @ model.coef_.T + model.intercept_))
    return float(0.5 * (np.square(model.coef_).sum() + np.square(model.intercept_).sum()) + C * np.square(slack).sum())


def non_gaussianity(model: Any, X: np.ndarray) -> float:
    """Sum over the sources, at unit variance, of (E log cosh - Gaussian's)^2: what both look for."""
    sources = model.transform(X)
    sources = sources / sources.std(axis=0)
    return float(np.sum((np.mean(np.logaddexp(sources, -sources) - np.log(2), axis=0) - 0.374567) ** 2))


def contenders(X: np.ndarray, y: np.ndarray, n_components: int) -> dict[str, tuple[Fit, Fit, Callable, str]]:
    """name -> ours, the peer, what a fitted model reached, and which way is better."""
    n, K = len(X), n_components
    unit = (X - X.min()) / (X.max() - X.min())
    counts = np.round(8 * unit)
    svm = {"penalize_intercept": True}
    fl: Any = featlearn

    def optimum(C):
        return lambda model: svm_objective(model, X, y, C)

    def calibrated(model):
        return log_loss(y, model.predict_proba(X))

    def inertia(model):
        centers = getattr(model, "cluster_centers_", None)
        centers = model.components_ if centers is None else centers
        return float(((X[:, None] - centers) ** 2).sum(axis=2).min(axis=1).sum())

    def likelihood(model):
        return float(np.mean(model.score_samples(X)))

    def rebuilt(model):
        back = model.predict(unit) if hasattr(model, "predict") else model.reconstruct(unit)
        return float(np.mean((back - unit) ** 2))

    def dictionary_error(model):
        codes = model.transform(X)
        return float(np.mean((X - codes @ model.components_) ** 2))

    def white(model):
        return float(np.abs(np.cov(model.transform(X).T) - np.eye(K)).max())

    def pseudo(model):
        return float(np.mean(fl.RBM.score_samples(_as_rbm(model), (unit > 0.5).astype(float))))

    Cs = [10.0**i for i in range(-3, 3)]
    return {
        "LinearSVM, C = 1": (
            lambda: fl.LinearSVM(C=1, **svm).fit(X, y), lambda: LinearSVC(C=1, dual="auto").fit(X, y), optimum(1.0),
            "lower",
        ),
        "LinearSVM, C = 1e-3": (
            lambda: fl.LinearSVM(C=1e-3, **svm).fit(X, y), lambda: LinearSVC(C=1e-3, dual="auto").fit(X, y),
            optimum(1e-3), "lower",
        ),
        "CalibratedClassifierCV": (
            lambda: CalibratedClassifierCV(fl.LinearSVM(C=1e-3, **svm), cv=3).fit(X, y),
            lambda: CalibratedClassifierCV(LinearSVC(C=1e-3, dual="auto"), cv=3).fit(X, y), calibrated, "lower",
        ),
        "LinearSVMCV, 6 C, 5 folds": (
            lambda: fl.LinearSVMCV(Cs, cv=5, **svm).fit(X, y),
            lambda: GridSearchCV(LinearSVC(dual="auto"), {"C": Cs}, cv=5).fit(X, y),
            lambda model: float(getattr(model, "best_score_", 0) or model.scores_.mean(axis=0).max()), "higher",
        ),
        "ZCA": (lambda: fl.ZCA().fit(X), lambda: PCA(whiten=True).fit(X), lambda model: 0.0, ""),
        "PCAWhitening": (
            lambda: fl.PCAWhitening(K, eps=0).fit(X), lambda: PCA(K, whiten=True).fit(X), white, "lower",
        ),
        "KMeansDictionary": (
            lambda: fl.KMeansDictionary(K, random_state=0).fit(X),
            lambda: KMeans(K, n_init=1, random_state=0).fit(X), inertia, "lower",
        ),
        "GaussianMixtureEncoder": (
            lambda: fl.GaussianMixtureEncoder(K, reg_covar=1e-6, random_state=0).fit(X),
            lambda: GaussianMixture(K, covariance_type="diag", random_state=0).fit(X), likelihood, "higher",
        ),
        "ICA": (
            lambda: fl.ICA(K, random_state=0).fit(X),
            lambda: FastICA(K, whiten="unit-variance", random_state=0, max_iter=1000).fit(X),
            lambda model: non_gaussianity(model, X), "higher",
        ),
        "RBM, 10 epochs": (
            lambda: fl.RBM(K, max_iter=10, batch_size=10, random_state=0).fit(unit),
            lambda: BernoulliRBM(K, n_iter=10, batch_size=10, random_state=0).fit(unit), pseudo, "higher",
        ),
        "DenoisingAutoencoder, 10 epochs": (
            lambda: fl.DenoisingAutoencoder(K, corruption_level=0, max_iter=10, tol=0, random_state=0).fit(unit),
            lambda: MLPRegressor(
                hidden_layer_sizes=(K,), activation="logistic", batch_size=min(100, n), max_iter=10, tol=0,
                alpha=0, random_state=0,
            ).fit(unit, unit),
            rebuilt, "lower",
        ),
        "SparseCoding": (
            lambda: fl.SparseCoding(K, n_nonzero=2, max_iter=10, tol=0, random_state=0).fit(X),
            lambda: DictionaryLearning(
                K, max_iter=10, tol=0, fit_algorithm="cd", transform_algorithm="omp", transform_n_nonzero_coefs=2,
                random_state=0,
            ).fit(X),
            dictionary_error, "lower",
        ),
        "LDA, variational, 10 passes": (
            lambda: fl.LDA(K, method="vb", max_iter=10, tol=0, random_state=0).fit(counts),
            lambda: LatentDirichletAllocation(K, max_iter=10, random_state=0).fit(counts), lambda model: 0.0, "",
        ),
        "RandomWeights": (
            lambda: fl.RandomWeights(K, random_state=0).fit(X),
            lambda: GaussianRandomProjection(K, random_state=0).fit(X), lambda model: 0.0, "",
        ),
    }  # fmt: skip


def _as_rbm(model: Any) -> Any:
    """Our RBM with the parameters of scikit-learn's, so that one pseudo-likelihood judges both."""
    if isinstance(model, featlearn.RBM):
        return model
    rbm: Any = featlearn.RBM(len(model.components_), max_iter=1, random_state=0).fit(
        np.zeros((2, model.n_features_in_))
    )
    rbm.components_, rbm.intercept_hidden_ = model.components_, model.intercept_hidden_
    rbm.intercept_visible_ = model.intercept_visible_
    return rbm


def answers(fitted: Any) -> Callable[[np.ndarray], Any]:
    """What a fitted model is asked for one row."""
    return fitted.transform if hasattr(fitted, "transform") else fitted.predict


def run(quick: bool = False) -> dict:
    """Print the table; ratios above 1 mean that ours is faster."""
    digits, target = load_digits(return_X_y=True)
    blobs, labels = make_blobs(200, 10, centers=4, cluster_std=3.0, random_state=0)
    sets = {"digits": (digits, target, 16), "200 x 10": (blobs, labels, 8)}
    result, rows = {}, []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for data, (X, y, K) in sets.items():
            for name, (ours, peer, reached, better) in contenders(X, y, K).items():
                models = ours(), peer()
                few = 2 if quick else 7 if data == "digits" else 21
                times = side_by_side({"ours": ours, "peer": peer}, rounds=few)
                row = (X - X.min())[:1] / (X.max() - X.min()) if name.split(",")[0] in UNIT else X[:1]
                calls: dict[str, Callable[[], object]] = {
                    "ours": lambda m=models[0], r=row: answers(m)(r), "peer": lambda m=models[1], r=row: answers(m)(r)
                }  # type: ignore[misc]  # fmt: skip
                one = side_by_side(calls, rounds=5 if quick else 51)
                values = [reached(model) for model in models] if better else [float("nan")] * 2
                result[f"{name}, {data}"] = {
                    "seconds": times, "ratio": times["peer"] / times["ours"], "one_row": one,
                    "one_row_ratio": one["peer"] / one["ours"], "reached": values, "better": better,
                }  # fmt: skip
                rows.append(
                    [name, data, 1e3 * times["ours"], 1e3 * times["peer"], times["peer"] / times["ours"],
                     1e3 * one["ours"], 1e3 * one["peer"], one["peer"] / one["ours"], *values, better]
                )  # fmt: skip
    columns = ["learner", "data", "fit ms", "peer", "ratio", "row ms", "peer", "ratio", "ours", "peer", "better"]
    show("Small fits against scikit-learn's (ratio above 1: ours is faster)", columns, rows)
    return result
