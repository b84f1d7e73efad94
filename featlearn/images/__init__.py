"""Learners of images: X is (n_images, height, width[, channels]), channels last."""

from featlearn.images.fisher import FisherVector
from featlearn.images.local_contrast import LocalContrastNormalizer
from featlearn.images.pools import MaxPool, MeanPool, SumPool
from featlearn.images.rectifiers import Abs, Positive, SoftThreshold, SplitSign
from featlearn.images.reshape import Flatten, ToImages
from featlearn.images.stage import Stage

__all__ = [
    "Abs",
    "FisherVector",
    "Flatten",
    "LocalContrastNormalizer",
    "MaxPool",
    "MeanPool",
    "Positive",
    "SoftThreshold",
    "SplitSign",
    "Stage",
    "SumPool",
    "ToImages",
]
