"""Features of one's own pictures
==============================

A folder with a subfolder for each class becomes one array of images; a stage learns patches of them, and a linear
classifier tells the classes apart by what it has learned. Without a folder of yours, two are made here out of
scikit-learn's photographs: pieces of a temple and of a flower, at many sizes.

Shows: `load_images`, `Stage` with `ContrastNormalizer` (which takes the range of the pixels from the images), `Flatten`
and `LinearSVM`. Give a folder of pictures, and a file name ending in .png to keep the picture:

    python examples/plot_own_pictures.py my_pictures filters.png
"""

# %%
import sys
import tempfile
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from PIL import Image
from sklearn.datasets import load_sample_images
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from featlearn import ZCA, ContrastNormalizer, FilterGridDisplay, Flatten, KMeansDictionary, LinearSVM, Stage, SumPool
from featlearn.datasets import load_images

picture = next((argument for argument in sys.argv[1:] if argument.endswith(".png")), None)
folder = next((argument for argument in sys.argv[1:] if not argument.endswith(".png")), None)


def cut_photographs(target):
    """Sixty pieces of each photograph into a folder of its own, as files of different sizes."""
    rng = np.random.default_rng(0)
    for name, photo in zip(("temple", "flower"), load_sample_images().images, strict=True):
        (target / name).mkdir()
        for i in range(60):
            height, width = rng.integers(48, 97, size=2)
            top, left = rng.integers(427 - height), rng.integers(640 - width)
            Image.fromarray(photo[top : top + height, left : left + width]).save(target / name / f"{i:02d}.png")


# %%
# Pictures of any size come out as bytes (n, 32, 32, 3): cut to a square about the middle, then made smaller.
with tempfile.TemporaryDirectory() as made:
    if folder is None:
        cut_photographs(Path(made))
    pictures = load_images(folder or made, size=32)
print(f"{len(pictures.images)} pictures of shape {pictures.images.shape[1:]}: {', '.join(pictures.target_names)}")

# %%
# Patches are normalized, whitened and clustered; quadrants of the codes are what a picture is told apart by.
learner = make_pipeline(ContrastNormalizer(), ZCA(), KMeansDictionary(64, max_iter=30, tol=0))
stage = Stage(learner, patch_size=6, n_patches=20_000, pool=SumPool(grid=2), random_state=0)
features = make_pipeline(stage, Flatten(), StandardScaler(), LinearSVM())
pixels = make_pipeline(Flatten(), StandardScaler(), LinearSVM())
for name, pipeline in (("learned features", features), ("pixels", pixels)):
    scores = cross_val_score(pipeline, pictures.images, pictures.target, cv=3)
    print(f"{name}: {100 * scores.mean():.0f} % of held-out pictures right")

# %%
FilterGridDisplay.from_estimator(stage.fit(pictures.images), whitened=True)
plt.gca().set_title("what the patches were told by")
if picture:
    plt.savefig(picture, dpi=120)
else:
    plt.show()
