"""What several experiments read: MNIST and CIFAR-10, and the digits that stand in where a set is not found."""

from dataclasses import replace

import numpy as np

from pipelines.experiment import Settings, Split


def cifar10(settings: Settings) -> Split:
    """CIFAR-10: images (n, 32, 32, 3) uint8."""
    from featlearn.datasets import fetch_cifar10

    train = fetch_cifar10(subset="train", data_home=settings.data_home, return_X_y=True)
    test = fetch_cifar10(subset="test", data_home=settings.data_home, return_X_y=True)
    split = Split(*train, *test)
    return split.head(1_000, 500) if settings.smoke else split


def mnist(settings: Settings) -> Split:
    """MNIST: rows (n, 784) float32 in 0..1."""
    from featlearn.datasets import fetch_mnist

    X_train, y_train = fetch_mnist(subset="train", data_home=settings.data_home, return_X_y=True)
    X_test, y_test = fetch_mnist(subset="test", data_home=settings.data_home, return_X_y=True)
    rows = [X.reshape(len(X), -1).astype(np.float32) / 255 for X in (X_train, X_test)]
    split = Split(rows[0], y_train, rows[1], y_test)
    return split.head(2_000, 500) if settings.smoke else split


def digits(settings: Settings, absent: str) -> Split:
    """scikit-learn's digits: images (n, 8, 8) float32 in 0..1, four fifths of each class for training.

    ``absent`` names the data set that they stand in for.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bunch = load_digits()
    images = (bunch.images / 16).astype(np.float32)
    X_train, X_test, y_train, y_test = train_test_split(
        images, bunch.target, test_size=0.2, stratify=bunch.target, random_state=0
    )
    told = f"scikit-learn's 1,797 digits of 8 x 8 pixels, because {absent} was not found; no number is the paper's"
    split = Split(X_train, y_train, X_test, y_test, stand_in=told)
    return split.head(600, 200) if settings.smoke else split


def mnist_or_digits(settings: Settings) -> Split:
    """MNIST, or where it is not found scikit-learn's digits; rows of pixels in 0..1."""
    from featlearn.datasets import DatasetNotFoundError

    try:
        return mnist(settings)
    except DatasetNotFoundError:
        split = digits(settings, "MNIST")
        flat = (X.reshape(len(X), -1) for X in (split.X_train, split.X_test))
        return replace(split, **dict(zip(("X_train", "X_test"), flat, strict=True)))


def cifar10_or_digits(settings: Settings) -> Split:
    """CIFAR-10, or where it is not found scikit-learn's digits; images."""
    from featlearn.datasets import DatasetNotFoundError

    try:
        return cifar10(settings)
    except DatasetNotFoundError:
        return digits(settings, "CIFAR-10")
