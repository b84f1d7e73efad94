"""The floors of `tests.floors` hold: no import runs upward or in a circle, everything has its place, once."""

import ast
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.floors import FLOORS, LENDERS, OUTSIDE, is_built, table

ROOT = Path(__file__).parents[1]
LEVEL = {room: level for level, floor in enumerate(FLOORS) for room in floor.rooms}


class Module(NamedTuple):
    """What a module imports of ours, (module, name taken of it or None), and the names it defines itself."""

    imports: set[tuple[str, str | None]]
    own: set[str]


def read(root):
    """Every module of the package and of the folders beside it, by dotted name; those of the top may import all."""
    paths = [path for folder in ("featlearn", *OUTSIDE) for path in sorted((root / folder).rglob("*.py"))]
    names = [".".join(path.relative_to(root).with_suffix("").parts) for path in paths]
    known = {name.removesuffix(".__init__") for name in names}
    return {
        name.removesuffix(".__init__"): Module(set(), set())
        if room(name) in FLOORS[-1].rooms
        else Module(*looked_through(path.read_text(), name.rpartition(".")[0], known))
        for name, path in zip(names, paths, strict=True)
    }


def looked_through(text, package, known):
    """Imports, those inside functions too, and own names of a module in ``package``."""
    imports, own = set(), set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            imports |= {(alias.name, None) for alias in node.names if alias.name in known}
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")
            source = ".".join(filter(None, [*parts[: len(parts) - node.level + 1], node.module]))
            source = source if node.level else node.module
            for alias in node.names:
                if f"{source}.{alias.name}" in known:
                    imports.add((f"{source}.{alias.name}", None))
                elif source in known:
                    imports.add((source, alias.name))
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            own.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            own.add(node.id)
    return imports, own


def room(name):
    """The room of a module: its place in `featlearn`, or its folder beside it."""
    first, *rest = name.split(".")
    return first if first != "featlearn" else rest[0] if rest else "__init__"


def upward(house):
    """Imports that run upward or sideways, as text."""
    edges = {(name, source) for name, module in house.items() for source, _ in module.imports}
    return [
        f"{name} -> {source}"
        for name, source in sorted(edges)
        if room(name) != room(source) and LEVEL[room(source)] >= LEVEL[room(name)]
    ]


def order(house):
    """The modules, each after those it imports; a CycleError where there is a circle."""
    below = {name: {source for source, _ in module.imports} for name, module in house.items()}
    return list(TopologicalSorter(below).static_order())


def borrowed(house):
    """Names taken from modules (not packages: their `__init__` is their face) that have them from others."""
    faces = {name.rpartition(".")[0] for name in house}
    return [
        f"{name} takes {what} from {source}"
        for name, module in house.items()
        for source, what in sorted(module.imports, key=str)
        if what and what != "*" and source not in {*faces, *LENDERS} and what not in house[source].own
    ]


def twice(paths):
    """File names that stand more than once."""
    return [name for name, n in Counter(p.name for p in paths).items() if n > 1 and not name.startswith("__")]


@pytest.fixture(scope="module")
def house():
    return read(ROOT)


def test_no_import_runs_upward_or_sideways(house):
    assert upward(house) == []


def test_there_is_no_circle(house):
    assert set(order(house)) == set(house)


def test_a_name_is_taken_from_who_made_it(house):
    assert borrowed(house) == []


def test_every_room_has_a_floor_and_only_one(house):
    assert {room(name) for name in house} <= set(LEVEL)
    assert len(LEVEL) == sum(len(floor.rooms) for floor in FLOORS)
    assert set(LENDERS) <= set(house)


def test_no_file_name_stands_twice():
    assert twice((ROOT / "featlearn").rglob("*.py")) == []
    assert twice([Path("a/lda.py"), Path("b/lda.py"), Path("a/__init__.py"), Path("b/__init__.py")]) == ["lda.py"]


def test_the_table_shows_every_room():
    assert all((f"`{name}`" in table()) == (name in OUTSIDE or is_built(name)) for name in LEVEL)
    assert table().index("benchmarks") < table().index("vectors") < table().index("arrays")


def written(root, files):
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return read(root)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from featlearn.images.stage import Stage", ["featlearn.kernels.loops -> featlearn.images.stage"]),
        ("from featlearn.images import stage", ["featlearn.kernels.loops -> featlearn.images.stage"]),
        ("def f():\n    import featlearn.images.stage", ["featlearn.kernels.loops -> featlearn.images.stage"]),
        ("from ..images.stage import Stage", ["featlearn.kernels.loops -> featlearn.images.stage"]),
        ("from .. import images", ["featlearn.kernels.loops -> featlearn.images"]),
        ("from featlearn import Stage", ["featlearn.kernels.loops -> featlearn"]),
        ("from pipelines.coates import run", ["featlearn.kernels.loops -> pipelines.coates"]),
        ("from featlearn.arrays import as_float\nimport numpy", []),
        ("from featlearn.kernels import other", []),
    ],
)
def test_an_upward_import_would_be_found(text, found, tmp_path):
    others = {
        f"featlearn/{path}.py": "as_float = Stage = 1"
        for path in ("__init__", "arrays", "images/__init__", "images/stage", "kernels/__init__", "kernels/other")
    }
    house = written(tmp_path, others | {"featlearn/kernels/loops.py": text, "pipelines/coates.py": "def run(): pass"})
    assert upward(house) == found


def test_rooms_of_one_floor_know_nothing_of_each_other(tmp_path):
    house = written(tmp_path, {"featlearn/linear.py": "from featlearn.vectors import ZCA", "featlearn/vectors.py": ""})
    assert upward(house) == ["featlearn.linear -> featlearn.vectors"]


def test_a_circle_and_a_borrowed_name_would_be_found(tmp_path):
    files = {
        "featlearn/grammar/tree.py": "def draw():\n    from featlearn.grammar.drawing import fold",
        "featlearn/grammar/drawing.py": "from featlearn.grammar.walks import fold",
        "featlearn/grammar/walks.py": "def fold(): pass",
    }
    house = written(tmp_path, files)
    assert borrowed(house) == ["featlearn.grammar.tree takes fold from featlearn.grammar.drawing"]
    assert order(house)
    house = written(tmp_path, {"featlearn/grammar/walks.py": "from featlearn.grammar.tree import draw"})
    with pytest.raises(ValueError, match="cycle"):
        order(house)
