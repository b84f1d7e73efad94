"""Papers as runnable experiments: ``python -m pipelines list``, ``python -m pipelines run NAME`` and ``table``."""

from pipelines.coates2011 import COATES2011
from pipelines.denoising_mnist import DENOISING_MNIST
from pipelines.digits import DIGITS
from pipelines.distillation_mnist import DISTILLATION_MNIST
from pipelines.epoch_times import EPOCH_TIMES
from pipelines.erhan2010 import ERHAN2010
from pipelines.few_labels_mnist import FEW_LABELS_MNIST
from pipelines.finetune_cifar10 import FINETUNE_CIFAR10
from pipelines.glorot2011 import GLOROT2011
from pipelines.hinton2006 import HINTON2006
from pipelines.kmeans_mnist import KMEANS_MNIST
from pipelines.larochelle2009 import LAROCHELLE2009
from pipelines.ngiam2011 import NGIAM2011, NGIAM2011_PHOTOGRAPHS
from pipelines.rbm_mnist import RBM_MNIST
from pipelines.recipes import RECIPES_MNIST
from pipelines.topic_models import TOPICS_20NEWS, TOPICS_AP
from pipelines.treebank import TREEBANK, TREEBANK_CRAFT

EXPERIMENTS = {
    experiment.name: experiment
    for experiment in (
        DIGITS,
        COATES2011,
        NGIAM2011,
        NGIAM2011_PHOTOGRAPHS,
        DENOISING_MNIST,
        RBM_MNIST,
        LAROCHELLE2009,
        GLOROT2011,
        ERHAN2010,
        HINTON2006,
        EPOCH_TIMES,
        KMEANS_MNIST,
        RECIPES_MNIST,
        FINETUNE_CIFAR10,
        FEW_LABELS_MNIST,
        DISTILLATION_MNIST,
        TOPICS_20NEWS,
        TOPICS_AP,
        TREEBANK,
        TREEBANK_CRAFT,
    )
}
