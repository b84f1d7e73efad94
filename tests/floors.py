"""The floors of the house, as data: `test_floors` enforces them, and the architecture page shows them.

From the ground up. A module imports from floors below its own, and from its own room; rooms of one floor stand side by
side and know nothing of each other. A room may stand here before it is built.

    python -m tests.floors      the table, in Markdown
"""

from importlib.util import find_spec
from typing import NamedTuple


class Floor(NamedTuple):
    """Rooms that stand side by side: modules or packages of ``featlearn/``, or folders beside it."""

    rooms: tuple[str, ...]
    holds: str


FLOORS = (
    Floor(
        ("arrays", "jit", "notices", "sparse", "threads", "writing"),
        "chunks, compiled loops, warnings, threads, files",
    ),
    Floor(("streaming",), "the two walks over data: `map_chunks` and `accumulate`"),
    Floor(("usefulness", "validation"), "gates: what is refused, and what runs but is useless"),
    Floor(("callbacks",), "progress and early stopping"),
    Floor(("fitting",), "the manner of every fit"),
    Floor(("kernels",), "numerics without state: encoding, SVMs, parsing, topics"),
    Floor(("training",), "the one gradient loop"),
    Floor(("text",), "strings -> tokens -> counts"),
    Floor(("grammar", "linear", "topics", "vectors", "words"), "learners, by what X is"),
    Floor(("images",), "any learner of vectors, lifted to images"),
    Floor(("classic", "networks"), "the ancestors; pipelines tuned by gradients"),
    Floor(("datasets", "plot"), "data in, pictures out"),
    Floor(("__init__",), "the public names, each loaded on first use"),
    Floor(("persistence",), "fitted estimators to files and back, whatever they are"),
    Floor(("commands",), "the command line"),
    Floor(("__main__",), "its door"),
    Floor(("examples", "pipelines"), "what a user would write; papers as experiments that run"),
    Floor(("benchmarks",), "times, side by side with peers"),
    Floor(("docs", "tests"), "what looks at all of it"),
)
OUTSIDE = ("benchmarks", "docs", "examples", "pipelines", "tests")  # folders beside the package

# Who passes on names that are another's, and why.
LENDERS = {"featlearn.callbacks": "the only module that touches scikit-learn's callbacks"}


def is_built(room: str) -> bool:
    """Whether featlearn has a module or a package of the name."""
    return find_spec("featlearn" if room == "__init__" else f"featlearn.{room}") is not None


def table() -> str:
    """The floors as a table, the ground at the bottom."""
    floors = [([r for r in floor.rooms if r in OUTSIDE or is_built(r)], floor.holds) for floor in reversed(FLOORS)]
    rows = [f"| {', '.join(f'`{room}`' for room in rooms)} | {holds} |" for rooms, holds in floors if rooms]
    return "\n".join(["| rooms | hold |", "|---|---|", *rows])


if __name__ == "__main__":
    print(table())
