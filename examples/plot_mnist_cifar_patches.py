"""Filters of MNIST and CIFAR-10
===============================

The same stage, whitening and K-means, on handwritten digits and on small color photographs: strokes on one side, edges
and color blobs on the other. The images stay bytes; only the patches drawn from them become floats.

Needs the data sets. They are looked for under the folder named by FEATLEARN_DATA or in the user's cache, and never
downloaded here. Give a file name ending in .png to keep the picture:

    FEATLEARN_DATA=~/data python examples/plot_mnist_cifar_patches.py patches.png
"""

# sphinx_gallery_thumbnail_path = "cifar10-filters.png"

# %%
import sys

from matplotlib import pyplot as plt
from sklearn.pipeline import make_pipeline

from featlearn import ZCA, ContrastNormalizer, FilterGridDisplay, KMeansDictionary, Stage
from featlearn.datasets import DatasetNotFoundError, fetch_cifar10, fetch_mnist

picture = next((argument for argument in sys.argv[1:] if argument.endswith(".png")), None)
try:
    data = {
        "MNIST": fetch_mnist(download_if_missing=False, return_X_y=True)[0],
        "CIFAR-10": fetch_cifar10(download_if_missing=False, return_X_y=True)[0],
    }
except DatasetNotFoundError as error:
    print(error)
    print("To download both (180 MB), once:")
    print("  python -c 'from featlearn.datasets import fetch_cifar10, fetch_mnist; fetch_mnist(); fetch_cifar10()'")
    sys.exit(0)

# %%
# 40,000 random patches of 8 x 8 pixels from each, and 144 filters.
figure, axes = plt.subplots(1, 2, figsize=(9, 4.9), layout="constrained")
for ax, (name, images) in zip(axes, data.items(), strict=True):
    learner = make_pipeline(ContrastNormalizer(), ZCA(eps=0.1), KMeansDictionary(144, max_iter=20, tol=0))
    stage = Stage(learner, patch_size=8, n_patches=40_000, random_state=0).fit(images)
    FilterGridDisplay.from_estimator(stage, whitened=True, n_filters=None, ax=ax)
    ax.set_title(f"{name}: 144 filters, {' × '.join(map(str, stage.patch_shape_))}")
    codes = stage.transform(images[:50])
    print(f"{name}: {images.dtype} images {images.shape} -> maps {codes.shape}, {100 * (codes == 0).mean():.0f} % zero")

# %%
if picture:
    figure.savefig(picture, dpi=120)
else:
    plt.show()
