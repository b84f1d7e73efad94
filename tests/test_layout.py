"""Tests lie where one looks for them: a module's tests are in the test module of its name, or in one that says so."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parent
PACKAGE = TESTS.parent / "featlearn"


def also_tested(path):
    """The modules a test module names in its docstring."""
    docstring = ast.get_docstring(ast.parse(path.read_text()))
    for sentence in re.findall(r"Also tests (.*?)\.$", docstring, re.DOTALL | re.MULTILINE):
        yield from re.split(r",\s+|\s+and\s+", sentence)


def test_every_module_has_one_test_module():
    """``featlearn/room/_name.py`` has ``tests/room/test_name.py``, or one says "Also tests featlearn.room._name."."""
    tests = set(TESTS.rglob("test_*.py"))
    modules = {path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if not path.name.startswith("__")}
    others = {path for path in modules if TESTS / path.with_name(f"test_{path.name.lstrip('_')}") not in tests}
    named = [name for path in tests for name in also_tested(path)]
    assert sorted(named) == sorted(".".join(("featlearn", *path.with_suffix("").parts)) for path in others)
