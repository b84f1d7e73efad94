"""How layers bend a plane: circles and spirals
==============================================

No line parts a circle from the ring around it, or two spirals. The layers of a network bend the plane until one does;
here are its grid and the points as each layer sees them. The last hidden layer has two units, so its plane is the whole
story: the output cuts it by a straight line.

Shows: `NetworkClassifier`, `SpaceWarpDisplay`. Give a file name ending in .png to keep the picture:

    python examples/plot_space_warp.py warp.png
"""

# %%
# Data: a circle and a ring, and two spirals.
import sys

import numpy as np
from matplotlib import pyplot as plt
from sklearn.datasets import make_circles

from featlearn import SpaceWarpDisplay
from featlearn.networks import Dense, NetworkClassifier

picture = next((argument for argument in sys.argv[1:] if argument.endswith(".png")), None)
circles, rings = make_circles(240, factor=0.5, noise=0.06, random_state=0)
rng = np.random.default_rng(0)
arm = np.arange(240) % 2
angle = 3 * np.pi * np.sqrt(rng.uniform(0.03, 1, 240))
turned = angle + np.pi * arm
spirals = angle[:, None] / 5 * np.column_stack([np.cos(turned), np.sin(turned)]) + rng.normal(0, 0.03, (240, 2))

# %%
# Three units can lift a circle out of its plane; spirals need wider layers. A layer wider than two is seen along its
# first two principal components.
problems = {
    "circles": (circles, rings, [Dense(3, "tanh"), Dense(2, "tanh")]),
    "spirals": (spirals, arm, [Dense(20, "tanh"), Dense(20, "tanh"), Dense(2, "tanh")]),
}
figure = plt.figure(figsize=(13, 6.6), layout="constrained")
for part, (name, (X, y, layers)) in zip(figure.subfigures(2, 1), problems.items(), strict=True):
    network = NetworkClassifier(layers, learning_rate=0.01, max_iter=300, batch_size=20, tol=0, random_state=0)
    network.fit(X, y)
    print(f"{name}: {100 * network.score(X, y):.1f} % of the points on the right side")
    axes = part.subplots(1, 4)
    for ax in axes[len(layers) + 1 :]:
        ax.set_axis_off()
    SpaceWarpDisplay.from_estimator(network, X, y, axes=axes[: len(layers) + 1])
if picture:
    figure.savefig(picture, dpi=120)
else:
    plt.show()
