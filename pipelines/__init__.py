"""Papers as runnable experiments: ``python -m pipelines list`` and ``python -m pipelines run NAME``."""

from pipelines.coates2011 import COATES2011
from pipelines.digits import DIGITS
from pipelines.kmeans_mnist import KMEANS_MNIST

EXPERIMENTS = {experiment.name: experiment for experiment in (DIGITS, COATES2011, KMEANS_MNIST)}
