"""What type checkers say of a user's script: the right one passes, planted mistakes are found where they are.

scikit-learn has no types, and a class whose base is Any has every attribute. So mypy is told to read scikit-learn's
source, as the guide advises; pyright does it anyway.
"""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RIGHT = '''
"""Images, vectors, topics and sentences, as a user writes them."""

from typing import assert_type

import numpy as np
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import featlearn
from featlearn import LDA, RBM, ZCA, Flatten, KMeansDictionary, LinearSVM, PCFGParser, Stage, SumPool
from featlearn.datasets import load_photo_patches
from featlearn.topics import TopicExtractor
from featlearn.training import minimize
from featlearn.vectors import sparsity_report

rng = np.random.default_rng(0)
X, y = rng.normal(size=(100, 16)), rng.integers(3, size=100)

dictionary = KMeansDictionary(n_components=8, encode="triangle", random_state=0)
assert_type(dictionary.fit(X), KMeansDictionary)
codes = dictionary.fit(X).transform(X)
print(codes.shape, dictionary.components_.shape, sparsity_report(codes), dictionary.get_params())
assert_type(RBM(4, visible="gaussian").fit(X), RBM)
assert_type(LDA(2, max_iter=10).fit(X > 0), LDA)

images = X.reshape(-1, 4, 4)
stage = Stage(make_pipeline(ZCA(), dictionary), patch_size=3, pool=SumPool(2))
assert_type(stage.fit(images), Stage)
model = make_pipeline(stage, Flatten(), LinearSVM(C=1.0))
search = GridSearchCV(model, {"linearsvm__C": [0.1, 1.0]}).fit(images, y)
print(search.predict(images), LinearSVM().fit(X, y).predict(X).shape)

extractor = TopicExtractor(LDA(2), min_df=1).fit(["a cat sat", "stocks fell"])
print(extractor.topics_, extractor.transform(["a cat"]))
trees = featlearn.parse_trees("(S (NP (N dogs)) (VP (V ran)))")
print(PCFGParser().fit([tree.words() for tree in trees], trees).predict(["dogs ran"]))
print(minimize, load_photo_patches(10, 4), featlearn.load_toy_grammar("telescope"))
'''
# Each mistake, and a word of what the checkers answer.
WRONG = {
    "featlearn.KMeansDictionary(n_component=3)": "n_component",
    'featlearn.KMeansDictionary(n_components="8")': "n_components",
    "featlearn.KMeansDictionary(8).fit([[0.0]]).transfrom([[0.0]])": "transfrom",
    "from featlearn import KMeanDictionary": "KMeanDictionary",
    "featlearn.topic.LDA(3)": "topic",
    "from featlearn.vectors import KMeanDictionary as K": "KMeanDictionary",
    'featlearn.Stage(featlearn.ZCA(), patchsize="3")': "patchsize",
}
MYPY = """
[mypy]
ignore_missing_imports = True
[mypy-{bases}]
follow_untyped_imports = True
"""
# All of sklearn.* would do too, in four times the time.
BASES = ["base", "callback", "utils._metadata_requests", "utils._set_output", "utils._repr_html.base"]


@pytest.fixture(scope="module")
def scripts(tmp_path_factory):
    """A folder with right.py and wrong.py, and the environment in which featlearn is found."""
    folder = tmp_path_factory.mktemp("typing")
    (folder / "right.py").write_text(RIGHT.lstrip())
    (folder / "wrong.py").write_text("\n".join(["import featlearn", *WRONG, ""]))
    return folder, {**os.environ, "PYTHONPATH": str(ROOT)}


def assert_found(answers):
    """Every planted mistake is answered on its line, and nothing else is said."""
    assert [a for a in answers if a[0] == "right.py"] == []
    for line, (mistake, word) in enumerate(WRONG.items(), start=2):
        assert any(n == line and word in text for _, n, text in answers), mistake
    assert {n for _, n, _ in answers} == set(range(2, 2 + len(WRONG)))


def test_mypy(scripts):
    pytest.importorskip("mypy")
    folder, environment = scripts
    (folder / "mypy.ini").write_text(MYPY.format(bases=",".join(f"sklearn.{name}.*" for name in BASES)))
    command = [sys.executable, "-m", "mypy", "--output=json", "--cache-dir", str(ROOT / ".mypy_cache" / "users")]
    done = subprocess.run(
        [*command, "right.py", "wrong.py"], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert not done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert_found([(a["file"], a["line"], a["message"]) for a in found if a["severity"] == "error"])


@pytest.mark.slow
def test_pyright(scripts):
    pyright = importlib.util.find_spec("pyright")
    if pyright is None or shutil.which("node") is None:
        pytest.skip("needs pyright and node: pip install pyright")
    if not (Path(pyright.origin).parent / "dist").is_dir():
        pytest.skip("this pyright would download itself; pip install 'pyright>=1.1.400'")
    folder, environment = scripts
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable]
    done = subprocess.run(
        [*command, "right.py", "wrong.py"], cwd=folder, env=environment, capture_output=True, text=True
    )
    found = json.loads(done.stdout)["generalDiagnostics"]
    lines = [(Path(a["file"]).name, a["range"]["start"]["line"] + 1, a["message"]) for a in found]
    assert_found([a for a, raw in zip(lines, found) if raw["severity"] == "error"])
