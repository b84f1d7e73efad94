"""Code on pages runs: every block of Python in the README and in docs/, the blocks of a page one after the other.

A comment in the line before a block says why it is not run (``<!-- skip: needs a GPU -->``) or what it needs.
"""

import ast
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import featlearn

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("[!_]*.md")])
PAGES = [page for page in PAGES if "_build" not in page.parts]
BLOCK = re.compile(r"(?:^<!-- (skip|needs): ([^\n]*?) -->\n)?^```python\n(.*?)^```$", re.M | re.S)
SKIPPED = {
    "docs/guide/data.md": ["downloads a data set"],
    "docs/guide/gpu.md": ["needs a GPU and featlearn[deep]"],
}


def blocks(page):
    """What is said before each block, and its code, on the lines where the page has it."""
    text = page.read_text()
    return [
        (match[1], match[2], "\n" * text[: match.start(3)].count("\n") + match[3]) for match in BLOCK.finditer(text)
    ]


def name(page):
    return page.relative_to(ROOT).as_posix()


def is_there(path):
    """Whether a public name, such as featlearn.save, exists."""
    module, _, attribute = path.rpartition(".")
    return hasattr(import_module(module), attribute)


@pytest.mark.parametrize("page", [page for page in PAGES if "```python" in page.read_text()], ids=name)
def test_code_on_a_page_runs(page, tmp_path, monkeypatch):
    if "texts" in page.read_text():
        pytest.importorskip("gensim", reason="pip install 'featlearn[text]'")
    monkeypatch.chdir(tmp_path)
    values = {"__name__": "page"}
    for kind, reason, code in blocks(page):
        compiled = compile(code, name(page), "exec")
        if kind != "skip":
            if kind == "needs" and not is_there(reason):
                pytest.skip(f"{reason} is not there")
            exec(compiled, values)


def test_what_is_skipped_is_named():
    found = {name(page): [reason for kind, reason, _ in blocks(page) if kind == "skip"] for page in PAGES}
    assert {page: reasons for page, reasons in found.items() if reasons} == SKIPPED


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_block_is_missed_and_links_lead_somewhere(page):
    text = page.read_text()
    assert len(blocks(page)) == text.count("```python")
    for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        generated = "gallery/" in link and ROOT / "examples" / Path(link).with_suffix(".py").name
        assert (generated or page.parent / link).exists(), link


def test_names_on_pages_are_public():
    """`KMeansDictionary`, written so, is a name that can be imported."""
    classes = {n for n in featlearn.__all__ if n[0].isupper()}
    like = re.compile(r"`([A-Z][a-z]+[A-Z]\w*|[A-Z]{3,})(?:\(|`)")
    others = {"CSV", "JSON", "TSV", "LICENSE", "FEATLEARN_DATA"}
    foreign = {"ConvergenceWarning", "StandardScaler", "GridSearchCV", "CountVectorizer", "LinearSVC", "BernoulliRBM"}
    foreign |= {"DecisionBoundaryDisplay", "MLPClassifier", "GradientDescent"}
    peers = {"KMeans", "GaussianMixture", "MLPRegressor", "FastICA", "GaussianRandomProjection", "LdaModel"}
    inner = {
        "ClusterSums",
        "CodeSums",
        "WordCounts",
        "MapTransformer",
        "GradientLearnerMixin",
        "TopicModelMixin",
        "PCA",
    }
    for page in PAGES:
        found = set(like.findall(page.read_text()))
        assert found <= classes | others | foreign | peers | inner, (name(page), found - classes)


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


def test_the_table_of_floors_is_the_one_that_is_enforced():
    pytest.importorskip("sphinx", reason="pip install 'featlearn[docs]'")


def test_every_public_name_has_a_page():
    pytest.importorskip("sphinx", reason="pip install 'featlearn[docs]'")
    code = "import json, runpy; print(json.dumps(runpy.run_path('docs/conf.py')['public_names']()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    rooms = ast.literal_eval(done.stdout)
    written = {each for names in rooms.values() for each in names}
    modules = set(featlearn._HOME)
    assert set(featlearn.__all__) - modules <= written
    assert {f"datasets.{each}" for each in featlearn.datasets.__all__} <= written
    assert "training.minimize" in written
