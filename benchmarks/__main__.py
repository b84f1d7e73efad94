"""``python -m benchmarks NAME [--quick]``: print ours, the peers and the bound from one run, and write JSON."""

import argparse
from importlib import import_module

from benchmarks.harness import save

BENCHMARKS = {
    "encoder": "the fused triangle encoder against NumPy, TensorFlow XLA and its own matrix products",
    "kmeans": "a K-means iteration against scikit-learn, faiss and its matrix product",
    "linear_svm": "LinearSVM against liblinear and L-BFGS, to an equal objective",
    "mixture": "an EM iteration of a diagonal Gaussian mixture against scikit-learn and its matrix products",
    "autoencoder": "a step of an autoencoder against plain Keras and its matrix products, and the memory of many fits",
    "networks": "an epoch of a network 784-1000x3-10 against Keras, torch, scikit-learn and its products; small refits",
    "rbm": "an epoch of an RBM against scikit-learn and its matrix products, and the log-likelihood after three",
    "sparse_filtering": "an evaluation of sparse filtering against NumPy and TensorFlow XLA, and 200 steps of L-BFGS",
    "sparse_coding": "OMP, lasso codes and a learned dictionary against scikit-learn",
    "lda_gibbs": "Gibbs sampling of topics against tomotopy, scikit-learn and gensim: speed, seconds to a perplexity",
    "lda_variational": "variational LDA, batch and online, against scikit-learn and gensim",
    "topics_memory": "online LDA on a million documents streamed from a file: peak memory",
    "parser": "exact parsing with treebank grammars: sentences a second, and NLTK's ViterbiParser",
    "small": "small fits, and answers for one row, against scikit-learn's, at equal optimum",
    "imports": "`import featlearn` against `import sklearn.base`",
    "growth": "passes, time and memory of each learner as samples, features and outputs grow",
    "memory": "peak memory of ZCA and K-means out of files, at 1x and 10x the samples",
}


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmarks named."""
    names = "\n".join(f"  {name:16} {what}" for name, what in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=f"{__doc__}\n\nbenchmarks:\n{names}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="+", choices=[*BENCHMARKS, "all"], metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="smaller sizes and fewer rounds, to see that it runs")
    options = parser.parse_args(arguments)
    for name in BENCHMARKS if "all" in options.name else options.name:
        result = import_module(f"benchmarks.{name}").run(quick=options.quick)
        print(f"wrote {save(name, result)}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
