"""Digits by a restricted Boltzmann machine
===========================================

Two machines of 100 hidden units learn 8 x 8 digits without labels: ours by contrastive divergence with momentum, as in
Hinton's code, and scikit-learn's `BernoulliRBM`. What they learned is compared three ways: the accuracy of a linear
classifier on their codes, the log-likelihood of digits they never saw, and what they dream.

Shows: `RBM` in a pipeline, `log_partition`, `sample`. Give a file name ending in .png to keep the picture:

    python examples/plot_rbm_digits.py rbm.png
"""

# %%
# Data: scikit-learn's digits, scaled to [0, 1], which binary units read as probabilities. A quarter is held out.
import sys
from time import perf_counter

import numpy as np
from matplotlib import pyplot as plt
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import BernoulliRBM

from featlearn import LinearSVM
from featlearn.vectors.rbm import RBM
from featlearn.vectors.rbm_energy import free_energy
from featlearn.vectors.rbm_partition import annealed_log_partition

picture = next((argument for argument in sys.argv[1:] if argument.endswith(".png")), None)
digits = load_digits()
X = (digits.data / 16).astype(np.float32)
X_train, X_test, y_train, y_test = train_test_split(X, digits.target, stratify=digits.target, random_state=0)

# %%
# The same number of units, epochs and samples in a step. Learning rates are each library's default.
learners = {
    "RBM": RBM(100, batch_size=10, max_iter=50, random_state=0),
    "BernoulliRBM": BernoulliRBM(100, batch_size=10, n_iter=50, random_state=0),
}


# %%
# log p(v) = -F(v) - log Z, and annealed importance sampling estimates log Z, of any machine's weights. Both are asked
# for digits in black and white, as p(v) is a distribution over binary v.
def log_likelihood(learner, v):
    """Mean log p of binary rows."""
    params = {"W": learner.components_, "b": learner.intercept_hidden_, "c": learner.intercept_visible_}
    W, b, c = params.values()
    log_z = annealed_log_partition(
        np.ascontiguousarray(W), b, c, None, X_train.mean(axis=0), n_betas=2_000, seed=np.random.SeedSequence(0)
    )
    return -free_energy(v, params, "binary", "binary").mean() - log_z.value


black_and_white = (X_test > 0.5).astype(np.float32)
C = 100 / len(y_train)
raw = LinearSVM(C).fit(X_train, y_train).score(X_test, y_test)
print(f"{'raw pixels':<14} {100 * raw:.1f} % right")
for name, learner in learners.items():
    started = perf_counter()
    learner.fit(X_train)
    seconds = perf_counter() - started
    classifier = LinearSVM(C).fit(learner.transform(X_train), y_train)
    accuracy = classifier.score(learner.transform(X_test), y_test)
    likelihood = log_likelihood(learner, black_and_white)
    print(f"{name:<14} {100 * accuracy:.1f} % right   {likelihood:6.1f} nats a digit   {seconds:4.1f} s")

# %%
# Filters, and dreams: chains of Gibbs sampling, shown by the probability of each pixel.
rbm = learners["RBM"]
dreams = rbm.inverse_transform(rbm.transform(rbm.sample(64, n_steps=2_000, random_state=0)))


def tiles(rows):
    """64 pictures of 8 x 8 in a square."""
    return (
        np.pad(rows[:64].reshape(8, 8, 8, 8), ((0, 0), (0, 0), (0, 1), (0, 1)), constant_values=np.nan)
        .transpose(0, 2, 1, 3)
        .reshape(72, 72)[:-1, :-1]
    )


figure, axes = plt.subplots(1, 3, figsize=(12, 4.3), layout="constrained")
figure.get_layout_engine().set(w_pad=0.12, h_pad=0.08)
edge = np.quantile(abs(rbm.components_), 0.99)
shown = {"digits": (X_test, 0, 1, "gray_r"), "64 of 100 filters": (rbm.components_, -edge, edge, "RdBu_r")}
shown["dreams of the machine"] = (dreams, 0, 1, "gray_r")
for ax, (title, (rows, low, high, colors)) in zip(axes, shown.items(), strict=True):
    ax.imshow(tiles(rows), vmin=low, vmax=high, cmap=colors)
    ax.set(title=title)
    ax.axis("off")
if picture:
    figure.savefig(picture, dpi=120)
else:
    plt.show()
