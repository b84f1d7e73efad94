"""Parsers learned from treebanks, plain and markovized: labeled bracket F1 on held-out articles.

Johnson (1998) and Klein and Manning (2003): a grammar read off a treebank as it is (vertical=1, horizontal all) knows
too little of a constituent's surroundings and too much of its siblings. Symbols that hold their parents, and right
sides made by a Markov process, parse better; more so with symbols split by what is below them. Gold words, tags found
by the parser itself; the rules of evalb; sentences of up to 40 words.

Every tenth file is scored, so no article is both learned from and scored. Settings were chosen with held-out files of
the training part. The paper learned from 39,832 sentences and scored others, so its numbers are shown and not judged.
"""

import time
from typing import Any

from pipelines.experiment import Experiment, Reported, Settings, Split
from pipelines.progress import Steps

LONGEST = 40  # words of a scored sentence
TENTH = 10
SPLIT: dict[str, Any] = {"annotate_tags": True, "annotations": "all"}
SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {"vertical": 1, "horizontal": None},
    "v1_h1": {"vertical": 1, "horizontal": 1},
    "v1_h2": {"vertical": 1, "horizontal": 2},
    "v2_h1": {"vertical": 2, "horizontal": 1},
    "v2_h2": {"vertical": 2, "horizontal": 2},
    "v3_h2": {"vertical": 3, "horizontal": 2},
    "v2_h1_split": {"vertical": 2, "horizontal": 1, **SPLIT},
    "v2_h2_split": {"vertical": 2, "horizontal": 2, **SPLIT},
}
VARIANTS = {
    "plain": "the grammar of the trees as they are",
    "v1_h1": "right sides of a Markov process of order 1",
    "v1_h2": "order 2",
    "v2_h1": "symbols hold their parents, order 1",
    "v2_h2": "symbols hold their parents, order 2",
    "v3_h2": "parents and grandparents, order 2",
    "v2_h1_split": "v2_h1, tags hold their parents too, seven splits of symbols",
    "v2_h2_split": "v2_h2, tags hold their parents too, seven splits of symbols",
}
COMPARED = ("v2_h2", "v2_h2_split")  # with the plain grammar, in one run
BARS = {"F1 %": 72.0, "points over plain": 4.0}
PAPER = "D. Klein, C. Manning, Accurate unlexicalized parsing, 2003"


def articles(treebank: Any, settings: Settings) -> Split:
    """Sentences and trees, every tenth file for the test; of the first files only for a smoke run."""
    from featlearn.datasets import get_data_home
    from featlearn.datasets._trees import find_files
    from featlearn.grammar.brackets import read_trees
    from featlearn.grammar.transforms import remove_traces, strip_functions, transform

    parts: tuple[list[Any], list[Any]] = ([], [])
    files = find_files(treebank, get_data_home(settings.data_home))
    for i, file in enumerate(files[: 2 * TENTH] if settings.smoke else files):
        parts[i % TENTH == TENTH - 1].extend(transform(read_trees(file), remove_traces, strip_functions))
    train, test = parts
    X: list[Any] = [[tree.words() for tree in part] for part in parts]
    return Split(X[0], train, X[1], test, scored_on="test")  # type: ignore[arg-type]


def penn(settings: Settings) -> Split:
    """The sample of the Penn Treebank."""
    from featlearn.datasets._trees import PENN_SAMPLE

    return articles(PENN_SAMPLE, settings)


def craft(settings: Settings) -> Split:
    """CRAFT."""
    from featlearn.datasets._trees import CRAFT

    return articles(CRAFT, settings)


def build(variant: str, settings: Settings) -> Any:
    """The parser."""
    from featlearn.grammar.parser import PCFGParser

    return PCFGParser(**SETTINGS[variant])


def measure(estimator: Any, split: Split, variant: str, settings: Settings, steps: Steps) -> dict[str, float]:
    """F1 and what goes with it."""
    with steps(f"{variant}: learn", estimator):
        estimator.fit(split.X_train, split.y_train)
    estimator.predict(split.X_test[:1])  # compiled code is loaded before it is timed
    start = time.perf_counter()
    with steps(f"{variant}: parse"):
        scores = estimator.evaluate(split.X_test, split.y_test, max_words=LONGEST)
    seconds = time.perf_counter() - start
    rows = {
        f"{variant}: F1 %": 100 * scores.f1,
        f"{variant}: precision %": 100 * scores.precision,
        f"{variant}: recall %": 100 * scores.recall,
        f"{variant}: exact match %": 100 * scores.exact_match,
        f"{variant}: tags %": 100 * scores.tagging_accuracy,
        f"{variant}: sentences with a parse %": 100 * scores.coverage,
        f"{variant}: sentences a second": scores.n_sentences / seconds,
        f"{variant}: seconds to learn": steps.seconds[f"{variant}: learn"],
    }
    if variant in COMPARED:
        with steps("plain: learn and parse"):
            plain = build("plain", settings).fit(split.X_train, split.y_train)
            before = plain.evaluate(split.X_test, split.y_test, max_words=LONGEST)
        rows[f"{variant}: points over plain"] = 100 * (scores.f1 - before.f1)
    return rows


def _reported(value: float) -> Reported:
    return Reported(value, "M", None, note="learned from 39,832 sentences")


REPORTED = {
    "plain: F1 %": _reported(72.62),
    "v2_h1: F1 %": _reported(77.42),
    "v2_h2: F1 %": _reported(77.81),
    "v3_h2: F1 %": _reported(79.74),
    "v2_h1_split: F1 %": _reported(86.36),
    "v2_h2_split: F1 %": _reported(86.36),
}
HEADLINES = ("F1 %", "points over plain")

TREEBANK = Experiment(
    name="treebank",
    title="Grammars of the Penn Treebank sample, sentences of up to 40 words",
    paper=PAPER,
    data="Penn Treebank sample, 3,914 trees (treebank/ in the data folder)",
    variants=VARIANTS,
    default=tuple(VARIANTS),
    load=penn,
    build=build,
    measure=measure,
    reported=REPORTED,
    bars={f"{variant}: {row}": bar for variant in COMPARED for row, bar in BARS.items()},
    headlines=HEADLINES,
)
TREEBANK_CRAFT = Experiment(
    name="craft",
    title="Grammars of CRAFT, articles of biology, sentences of up to 40 words",
    paper=PAPER,
    data="CRAFT 5.0.2, 30,830 trees (craft/ in the data folder)",
    variants=VARIANTS,
    default=("plain", "v2_h2", "v2_h1_split"),
    load=craft,
    build=build,
    measure=measure,
    headlines=HEADLINES,
)
