"""Saved models: the same in another process, whole or not there, and nothing of a hostile file runs."""

import ast
import copy
import dataclasses
import functools
import importlib
import inspect
import json
import os
import pickle
import pkgutil
import subprocess
import sys
import textwrap
import zipfile
from collections import OrderedDict, defaultdict

import joblib
import numpy as np
import pytest
import scipy.sparse as sp
import skops.io
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import featlearn
from featlearn import persistence
from featlearn.commands import main
from featlearn.networks import NeighborEmbedding, Pretrained
from featlearn.networks.layers import Layer
from tests.registry import ESTIMATORS, instances

RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(size=(12, 9, 8))
ROWS = RNG.uniform(size=(40, 6))
LABELS = np.arange(40) % 2
TEXTS = ["a cat and a dog new york", "stocks and bonds fell", "a dog and a cat", "the bank sold bonds new york"] * 5
TREES = featlearn.parse_trees("(S (NP (D the) (N cat)) (VP (V sat))) (S (NP (N dogs)) (VP (V ran) (ADV fast)))")
WRITTEN = "S -> NP VP [1.0]\nNP -> 'a' [.4] | 'b' [.6]\nVP -> 'c' [.5] | 'd' NP [.5]"


def fitted():
    """name -> a fitted model and what it is asked, of every public estimator."""
    models = {}
    for name in ESTIMATORS:
        for i, model in enumerate(instances(name)):
            X = {"images": IMAGES, "counts": np.round(9 * ROWS), "text": TEXTS}.get(ESTIMATORS[name], ROWS)
            if name == "Phrases":
                model.set_params(min_count=2, threshold=1)
            if name in ("Phrases", "PCFGParser", "ConstituentVectorizer"):
                X = [text.split() for text in TEXTS]
            X = ROWS if name == "ToImages" else X
            learned, y = (TREES, None) if name == "PCFGParser" else (X, LABELS)
            if name == "ConstituentVectorizer":
                model.set_params(parser=featlearn.PCFGParser().fit(TREES))
                X = learned = [tree.words() for tree in TREES]
            model.fit(learned, y) if ESTIMATORS[name] == "rows" else model.fit(learned)
            models[f"{name}{i}"] = model, [tree.words() for tree in TREES] if name == "PCFGParser" else X
    phrases = featlearn.Phrases(min_count=2, threshold=1)
    extractor = featlearn.TopicExtractor(featlearn.LDA(2, max_iter=5, random_state=0), phrases=phrases, min_df=1)
    models["with phrases"] = extractor.fit(TEXTS), TEXTS
    models["written"] = featlearn.PCFGParser(grammar=WRITTEN).fit(), [["a", "c"], ["b", "d", "a"]]
    learned = featlearn.PCFGParser(grammar=WRITTEN, method="em", max_iter=3).fit([["a", "c"], ["b", "d", "a"]])
    models["learned rules"] = learned, [["a", "c"], ["b", "d", "a"]]
    return models


def answers(model, X):
    """What a model says, as arrays or strings."""
    found = [getattr(model, name)(X) for name in ("transform", "predict") if hasattr(model, name)]
    return [str(a) if isinstance(a, list) else a.toarray() if hasattr(a, "toarray") else np.asarray(a) for a in found]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Every model, and a folder with a file of each."""
    folder, models = tmp_path_factory.mktemp("models"), fitted()
    for name, (model, _) in models.items():
        featlearn.save(model, folder / f"{name}.skops")
    return folder, models


def test_every_public_estimator_answers_the_same_in_another_process(saved):
    folder, models = saved
    asked = {name: X for name, (_, X) in models.items()}
    (folder / "asked").write_bytes(pickle.dumps(asked))
    code = "import pickle, sys, featlearn; from pathlib import Path\nimport numpy as np\n" + inspect.getsource(answers)
    code += textwrap.dedent("""
        folder = Path(sys.argv[1])
        asked = pickle.loads((folder / "asked").read_bytes())
        found = {name: answers(featlearn.load(folder / f"{name}.skops"), X) for name, X in asked.items()}
        (folder / "found").write_bytes(pickle.dumps(found))
    """)
    subprocess.run([sys.executable, "-W", "error", "-c", code, folder], check=True)
    found = pickle.loads((folder / "found").read_bytes())
    for name, (model, X) in models.items():
        expected = answers(model, X)
        assert expected, name
        assert len(expected) == len(found[name])
        for ours, theirs in zip(expected, found[name], strict=True):
            assert np.array_equal(ours, theirs), name


def test_what_was_learned_and_set_comes_back(saved):
    folder, models = saved
    for name in ("RBM0", "PCAWhitening0", "with phrases", "PCFGParser0", "LinearSVMCV0"):
        model, again = models[name][0], featlearn.load(folder / f"{name}.skops")
        assert vars(again).keys() == copy.deepcopy(vars(model)).keys()
        assert str(again.get_params()) == str(model.get_params())
    extractor = featlearn.load(folder / "with phrases.skops")
    assert extractor._tokens.steps[0] is extractor.tokenizer_  # one object stays one
    assert extractor.phrases_.phrases_ == models["with phrases"][0].phrases_.phrases_
    extractor.phrases_.partial_fit([["new", "york"]])


@pytest.mark.parametrize("name", ["RBM0", "KMeansDictionary0", "LDA0"])
def test_a_loaded_model_goes_on_learning(saved, name):
    folder, models = saved
    model, X = models[name]
    again = featlearn.load(folder / f"{name}.skops").partial_fit(X)
    np.testing.assert_array_equal(again.components_, copy.deepcopy(model).partial_fit(X).components_)


def test_pipelines_and_the_best_of_a_search(tmp_path):
    pipeline = make_pipeline(featlearn.ZCA(), featlearn.LinearSVM(class_weight={False: 1.0, True: 2.0}))
    y = LABELS == 1
    search = GridSearchCV(pipeline, {"linearsvm__C": [0.1, 1.0]}, cv=2).fit(ROWS, y)
    featlearn.save(search.best_estimator_, tmp_path / "best.skops")
    again = featlearn.load(tmp_path / "best.skops")
    np.testing.assert_array_equal(again.predict(ROWS), search.predict(ROWS))
    assert again[-1].class_weight == {False: 1.0, True: 2.0}  # skops by itself makes True of both


@pytest.mark.parametrize("kind", [VotingClassifier, StackingClassifier])
def test_ensembles_of_both(kind, tmp_path):
    two = featlearn.LinearSVM(class_weight={False: 1.0, True: 2.0})
    model = kind([("a", LogisticRegression()), ("b", two)]).fit(ROWS, LABELS == 1)
    featlearn.save(model, tmp_path / "m.skops")
    again = featlearn.load(tmp_path / "m.skops")
    np.testing.assert_array_equal(again.predict(ROWS), model.predict(ROWS))
    assert again.named_estimators_.b is again.estimators_[1]  # one object stays one
    assert again.named_estimators_.b.class_weight == two.class_weight


def array_of(shape, *items):
    array = np.empty(shape, dtype=object)
    array.ravel()[:] = items
    return array


HELD = {
    "bool keys": {True: np.ones(2), False: np.zeros(2)},
    "other keys": {None: np.ones(1), (1, "a"): {np.bool_(False): np.ones(2), np.bool_(True): np.zeros(2)}, b"c": 1},
    "durations": [np.timedelta64(5, "ns"), np.timedelta64(5, "D"), np.datetime64(3, "s")],
    "times": {np.datetime64(5, "ns"): 1.0},
    "no items": np.empty((0, 3), dtype=object),
    "one item": array_of((), {"a": 1}),
    "one array": array_of((), np.ones(2)),
    "arrays": array_of((1, 2), np.ones(2), np.zeros(2)),
    "of text": defaultdict(list, a=np.ones(2)),
    "in order": OrderedDict(b={True: np.ones(1), False: np.zeros(1)}, a=2),
}


@pytest.mark.parametrize("name", HELD)
def test_what_skops_forgets_comes_back(name, tmp_path):
    value, model = HELD[name], featlearn.ZCA()
    model.one_ = model.same_ = value
    featlearn.save(model, tmp_path / "m.skops")
    again = featlearn.load(tmp_path / "m.skops")
    assert type(again.one_) is type(value)
    assert repr(again.one_) == repr(value)
    assert np.shape(again.one_) == np.shape(value)
    assert again.one_ is again.same_


@pytest.mark.parametrize("value", [defaultdict(int, {1: 2}), OrderedDict({True: np.ones(1), False: np.zeros(1)})])
def test_what_could_not_be_loaded_is_not_saved(value, tmp_path):
    model = featlearn.ZCA()
    model.counts_ = value
    with pytest.raises(TypeError, match=rf"ZCA.counts_ is a {type(value).__name__} with keys that are no str"):
        featlearn.save(model, tmp_path / "m.skops")
    model.counts_ = [model]
    with pytest.raises(ValueError, match="ZCA holds something that holds itself"):
        featlearn.save(model, tmp_path / "m.skops")
    model.counts_ = loop = []
    loop.append(loop)
    with pytest.raises(ValueError, match="ZCA holds something that holds itself"):
        featlearn.save(model, tmp_path / "m.skops")
    assert not list(tmp_path.iterdir())


# ---- nothing runs --------------------------------------------------------------------------------------------------


class Hostile:
    """Writes a file when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return open, (str(self.marker), "w")


def node(loader, module, name, **more):
    return {"__loader__": loader, "__module__": module, "__class__": name, **more}


def text(value):
    return node("JsonNode", "builtins", "str", content=json.dumps(value), is_json=True)


def row(*values):
    return node("TupleNode", "builtins", "tuple", content=list(values))


def state(**values):
    keys = node("ListNode", "builtins", "list", content=[node("TypeNode", "builtins", "str") for _ in values])
    return node("DictNode", "builtins", "dict", content=values, key_types=keys)


def hostile_trees(marker):
    """name -> the tree of a skops file that would make the marker, or import what makes it."""
    call = row(text(str(marker)), text("w"))
    partial = {
        "func": node("FunctionNode", "io", "open"),
        "args": call,
        "kwds": state(),
        "namespace": text(None),
    }
    tokenizer = node("ObjectNode", "featlearn.text.tokenizer", "Tokenizer", content=state(segmenter=text(None)))
    return {
        "call": node("ConstructorFromReduceNode", "io", "open", content=call),
        "type": node("ObjectNode", "makes_marker", "Model"),
        "partial": node("PartialNode", "functools", "partial", content=partial),
        "method": node(
            "MethodNode", "featlearn.text.tokenizer", "Tokenizer", content={"func": "fit", "obj": tokenizer}
        ),
        "inside": node(
            "ObjectNode",
            "featlearn.text.tokenizer",
            "Tokenizer",
            content=state(segmenter=node("FunctionNode", "io", "open")),
        ),
        "function of ours": node("FunctionNode", "featlearn.persistence", "save"),
        "name imported by ours": node("ConstructorFromReduceNode", "featlearn.persistence", "Path", content=call),
        "documents": node("ConstructorFromReduceNode", "featlearn.text.documents", "FileDocuments", content=call),
        "picture": node("ConstructorFromReduceNode", "featlearn.plot.live", "LivePlot", content=call),
        "key": node(
            "DictNode",
            "builtins",
            "dict",
            content={str(marker): text(1)},
            key_types=node("ListNode", "builtins", "list", content=[node("TypeNode", "io", "FileIO")]),
        ),
    }


def write_archive(path, tree, note=None):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", json.dumps({**tree, "protocol": 2, "_skops_version": "0.16"}))
        if note is not None:
            archive.writestr(persistence.NOTE, json.dumps(note))


@pytest.fixture
def trap(tmp_path, monkeypatch):
    """A file that only hostile code makes; a module that makes it stands on the path."""
    marker = tmp_path / "marker"
    (tmp_path / "makes_marker.py").write_text(f"open({str(marker)!r}, 'w')\nclass Model: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    return marker


def through_every_door(path, capsys):
    """The message of `load`; neither command takes the file either."""
    with pytest.raises(ValueError) as error:
        featlearn.load(path)
    corpus = path.with_name("corpus.txt")
    corpus.write_text("a dog\na cat\n")
    for command in (["topics", corpus, "--model", path], ["parse", "a dog", "--model", path]):
        assert main([str(argument) for argument in command]) == 2
        assert "cannot be read" in capsys.readouterr().err
    return str(error.value)


@pytest.mark.parametrize("name", hostile_trees(""))
def test_no_hostile_skops_file_runs(name, trap, tmp_path, capsys):
    path = tmp_path / "hostile.skops"
    write_archive(path, hostile_trees(trap)[name])
    said = through_every_door(path, capsys)
    assert "does not trust" in said
    assert not trap.exists()


def test_the_trap_works(trap, tmp_path):
    """What the tests above refuse would run if it were trusted."""
    path = tmp_path / "hostile.skops"
    write_archive(path, hostile_trees(trap)["call"])
    skops.io.load(path, trusted=["io.open"]).close()
    assert trap.exists()
    trap.unlink()
    write_archive(path, hostile_trees(trap)["key"])
    with pytest.raises(FileNotFoundError, match="marker"):
        skops.io.load(path, trusted=["io.FileIO"])


@pytest.mark.parametrize("compress", [None, 0, 3, ("bz2", 3), ("lzma", 3), ("xz", 3)])
def test_no_pickle_runs(compress, trap, tmp_path, capsys):
    path = tmp_path / "hostile.skops"
    if compress is None:
        path.write_bytes(pickle.dumps(Hostile(trap)))
    else:
        joblib.dump(Hostile(trap), path, compress=compress)
    said = through_every_door(path, capsys)
    assert "looks like a pickle" in said
    assert "joblib.load" in said
    assert not trap.exists()
    for protocol in (0, 1):  # which begin as texts may
        path.write_bytes(pickle.dumps(Hostile(trap), protocol=protocol))
        through_every_door(path, capsys)
        assert not trap.exists()


def test_pickles_are_written_and_read_where_they_are_asked_for(tmp_path, capsys):
    grammar, model = tmp_path / "grammar.txt", tmp_path / "model.joblib"
    grammar.write_text(WRITTEN)
    save = ["parse", "--grammar", str(grammar), "--save", str(model)]
    assert main(save) == 2
    assert "let it end in .skops, or pass --unsafe-pickle" in capsys.readouterr().err
    assert main([*save, "--unsafe-pickle"]) == 0
    assert isinstance(joblib.load(model), featlearn.PCFGParser)
    parse = ["parse", "a c", "--brackets", "--model", str(model)]
    assert main(parse) == 2
    assert "pass --unsafe-pickle" in capsys.readouterr().err
    assert main([*parse, "--unsafe-pickle"]) == 0
    featlearn.save(joblib.load(model), model, overwrite=True)
    assert main([*parse, "--unsafe-pickle"]) == 0  # files of ours are read either way


@pytest.mark.parametrize("kind", ["csr", "csc", "coo"])
def test_no_sparse_array_points_outside_of_itself(kind, tmp_path):
    path, model = tmp_path / "m.skops", featlearn.ZCA()
    model.table_ = table = sp.eye_array(3, format=kind)
    featlearn.save(model, path)
    assert (featlearn.load(path).table_ != table).nnz == 0
    (table.row if kind == "coo" else table.indices)[1] = 2**30
    said = "index 1073741824" if kind == "coo" else r"the sparse matrix in it \(.*\) is damaged: .* holds .* 1073741824"
    with pytest.raises(TypeError, match=f"ZCA holds .*{said}"):
        featlearn.save(model, tmp_path / "other.skops")
    skops.io.dump(model, path)
    with pytest.raises(ValueError, match=rf"m.skops .*{said}"):
        featlearn.load(path)


def test_no_sparse_array_is_made_of_parts(tmp_path):
    path = tmp_path / "m.skops"
    for loader in ("ObjectNode", "ListNode", "ConstructorFromReduceNode"):
        write_archive(path, {"a": node(loader, "scipy.sparse._csr", "csr_array", content=row())})
        with pytest.raises(ValueError, match=r"m.skops .*_csr.csr_array is not written as a sparse array"):
            featlearn.load(path)


def only_stores(function):
    """Whether a function does nothing but put what it is given into attributes."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    body = [s for s in tree.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    return all(
        (isinstance(s, (ast.Assign, ast.AnnAssign)) and isinstance(s.value, ast.Name))
        or "super().__init__" in ast.unparse(s)
        for s in body
    )


def test_constructors_of_trusted_types_do_nothing():
    """Loading makes objects of any trusted type with any arguments, so that must be harmless."""
    hooks = {  # read: they check and store, and open nothing
        "featlearn.grammar.compiled.CompiledGrammar": {"__post_init__", "__setstate__"},
        "featlearn.grammar.coarse.CoarseGrammar": {"__post_init__"},
        "featlearn.grammar.cfg.PCFG": {"__init__", "__setstate__"},
        "featlearn.text.tokenizer._Cut": {"__init__"},
        "featlearn.topics.extractor.Tokens": {"__init__"},
        "featlearn.persistence.Parts": {"__new__", "__reduce__"},
        "featlearn.persistence.Plain": {"__new__", "__reduce__"},
    }
    seen = 0
    for module in pkgutil.walk_packages(featlearn.__path__, "featlearn."):
        if module.name.split(".")[1] in persistence.OUTSIDE:
            continue
        for name, kind in vars(importlib.import_module(module.name)).items():
            full = f"{module.name}.{name}"
            if not isinstance(kind, type) or not persistence.is_trusted(full):
                continue
            seen += 1
            own = {"__init__", "__new__", "__post_init__", "__setstate__", "__reduce__"} & vars(kind).keys()
            if dataclasses.is_dataclass(kind):
                own -= {"__init__"}  # made by dataclasses
                own -= {"__setstate__"} if kind.__dataclass_params__.frozen and hasattr(kind, "__slots__") else set()
            if issubclass(kind, (Layer, NeighborEmbedding, Pretrained)):
                own -= {"__post_init__"}  # which checks its fields
            odd = {hook for hook in own if hook != "__init__" or not only_stores(kind.__init__)}
            assert odd <= hooks.get(full, set()), full
    assert seen > 60
    assert all(persistence.is_trusted(name) for name in persistence.STATE)
    for name in persistence.STATE:
        module, _, kind = name.rpartition(".")
        assert isinstance(getattr(importlib.import_module(module), kind), type)


# ---- what is refused, and what stays -------------------------------------------------------------------------------


def cut_at_blanks(text):
    return text.split()


class Doubled(TransformerMixin, BaseEstimator):
    """A transformer of somebody else."""

    def fit(self, X, y=None):
        self.factor_ = 2.0
        return self

    def transform(self, X):
        return X * self.factor_


@pytest.mark.parametrize("function", [cut_at_blanks, lambda text: text.split(), functools.partial(str.split, sep=" ")])
def test_a_function_of_the_users_is_refused_by_name_and_place(function, tmp_path):
    path = tmp_path / "m.skops"
    path.write_text("the old one")
    tokenizer = featlearn.Tokenizer(segmenter=function)
    with pytest.raises(TypeError, match=r"Pipeline holds .*\(Tokenizer\.segmenter\).*set_params"):
        featlearn.save(make_pipeline(tokenizer, featlearn.Phrases()), path, overwrite=True)
    assert path.read_text() == "the old one"
    assert [file.name for file in tmp_path.iterdir()] == ["m.skops"]


def test_types_of_the_users_are_trusted_by_name(tmp_path):
    path, name = tmp_path / "m.skops", f"{Doubled.__module__}.Doubled"
    pipeline = make_pipeline(Doubled(), featlearn.ZCA()).fit(ROWS)
    with pytest.raises(TypeError, match=f"holds {name}, which featlearn.load would refuse"):
        featlearn.save(pipeline, path)
    featlearn.save(pipeline, path, trusted=[name])
    with pytest.raises(ValueError, match=rf"m.skops holds {name}, .*nothing was loaded.*trusted=\['{name}'\]"):
        featlearn.load(path)
    np.testing.assert_array_equal(featlearn.load(path, trusted=[name]).transform(ROWS), pipeline.transform(ROWS))


def test_nothing_is_overwritten_without_being_asked(tmp_path, monkeypatch):
    path = tmp_path / "m.skops"
    featlearn.save(featlearn.ZCA(eps=0.5), path)
    with pytest.raises(FileExistsError, match=r"m.skops is there already. Pass overwrite=True"):
        featlearn.save(featlearn.ZCA(), path)
    featlearn.save(featlearn.ZCA(eps=0.25), path, overwrite=True)
    assert featlearn.load(path).eps == 0.25

    def full(model, part):
        part.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("skops.io.dump", full)
    with pytest.raises(OSError, match="No space left"):
        featlearn.save(featlearn.ZCA(), path, overwrite=True)
    monkeypatch.undo()
    assert featlearn.load(path).eps == 0.25
    assert [file.name for file in tmp_path.iterdir()] == ["m.skops"]


def test_links_modes_and_names_of_files(tmp_path):
    link, target = tmp_path / "link.skops", tmp_path / f"{'a' * 244}.skops"
    link.symlink_to(target)
    with pytest.raises(FileExistsError, match=r"link.skops is there already"):
        featlearn.save(featlearn.ZCA(), link)
    featlearn.save(featlearn.ZCA(eps=0.5), link, overwrite=True)
    target.chmod(0o640)
    featlearn.save(featlearn.ZCA(eps=0.25), link, overwrite=True)
    assert link.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o640
    assert featlearn.load(target).eps == 0.25
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="pipe is no plain file"):
        featlearn.save(featlearn.ZCA(), tmp_path / "pipe", overwrite=True)


def test_trusted_takes_names(tmp_path):
    for call in (functools.partial(featlearn.save, featlearn.ZCA()), featlearn.load):
        with pytest.raises(TypeError, match=r"trusted takes a list of names: trusted=\['mine.Type'\]"):
            call(tmp_path / "m.skops", trusted="mine.Type")
    assert not persistence.is_trusted("featlearn.__main__.Type")


def test_versions_are_recorded_and_a_newer_file_is_refused_by_name(tmp_path):
    path = tmp_path / "m.skops"
    featlearn.save(featlearn.ZCA(), path)
    with zipfile.ZipFile(path) as archive:
        note = json.loads(archive.read(persistence.NOTE))
        schema = archive.read("schema.json")
    assert note == {
        "featlearn": featlearn.__version__,
        "scikit-learn": importlib.import_module("sklearn").__version__,
        "numpy": np.__version__,
    }
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", schema)
        archive.writestr(persistence.NOTE, json.dumps({**note, "featlearn": "99.1.0"}))
    with pytest.raises(ValueError, match=r"featlearn 99.1.0, and this is .*pip install 'featlearn>=99.1.0'"):
        featlearn.load(path)
    skops.io.dump(featlearn.ZCA(eps=0.5), path)  # without our note
    assert featlearn.load(path).eps == 0.5


def test_files_that_are_damaged_or_something_else_are_named(tmp_path):
    path = tmp_path / "m.skops"
    featlearn.save(featlearn.KMeansDictionary(3, random_state=0).fit(ROWS), path)
    whole = path.read_bytes()
    for damaged in (whole[:-30], whole[: len(whole) // 2], whole[100:], b"", b"text\n"):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"m.skops is .*(no model that featlearn.save wrote|damaged)"):
            featlearn.load(path)
    for place in range(40, len(whole) - 400, len(whole) // 12):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        with pytest.raises(ValueError, match=r"m.skops"):
            featlearn.load(path)
    np.savez(tmp_path / "arrays.npz", a=ROWS)
    with pytest.raises(ValueError, match=r"arrays.npz is an archive, but no model"):
        featlearn.load(tmp_path / "arrays.npz")
    for tree in (node("ObjectNode", "featlearn.vectors.kmeans", "KMeansDictionary", content=text(3)), {"a": 1}):
        write_archive(path, tree, {"featlearn": featlearn.__version__})
        with pytest.raises(ValueError, match=r"m.skops"):
            featlearn.load(path)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        featlearn.load(tmp_path / "none.skops")
    with pytest.raises(ValueError, match="is no file"):
        featlearn.load(tmp_path)


def test_what_save_does_not_take_is_named(tmp_path):
    for arguments in [("m.skops", featlearn.ZCA()), (featlearn.ZCA, "m.skops"), (featlearn.ZCA(), None)]:
        with pytest.raises(TypeError, match=r"save takes a model and the name of a file, not .*save\(model"):
            featlearn.save(*arguments)
    with pytest.raises(OSError, match="is a folder"):
        featlearn.save(featlearn.ZCA(), tmp_path)
    with pytest.raises(OSError, match="there is no folder"):
        featlearn.save(featlearn.ZCA(), tmp_path / "none" / "m.skops")


def test_callbacks_are_left_out(tmp_path):
    model = featlearn.KMeansDictionary(2, random_state=0).set_callbacks(featlearn.EarlyStopping("inertia"))
    featlearn.save(model, tmp_path / "m.skops")
    assert not hasattr(featlearn.load(tmp_path / "m.skops"), "_skl_callbacks")
    assert hasattr(model, "_skl_callbacks")


leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
keys = st.booleans() | st.integers() | st.text(max_size=3) | st.tuples(st.text(max_size=2), st.integers())
values = st.recursive(
    leaves | st.builds(np.float32, st.floats(width=32, allow_nan=False)) | st.frozensets(st.text(max_size=3)),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(keys, inner, max_size=4)
        | st.tuples(inner, inner)
        | st.dictionaries(st.just("!") | st.text(max_size=2), inner, max_size=3)
    ),
    max_leaves=12,
)


def told(value):
    """A value with the types of all its parts."""
    if isinstance(value, dict):
        return [(told(key), told(item)) for key, item in value.items()]
    if isinstance(value, (list, tuple)):
        return type(value), [told(item) for item in value]
    return type(value), value


@given(values)
@settings(max_examples=60, deadline=None)
def test_plain_values_come_back_as_they_are(value):
    plain = persistence.Plain.of(value)
    assert told(persistence.Plain(plain.text)) == told(value)
    array = np.empty(2, dtype=object)
    array[:] = [value, "term"]
    again = persistence.Plain(persistence.Plain.of(array).text)
    assert again.dtype == object
    assert told(again.tolist()) == told(array.tolist())
