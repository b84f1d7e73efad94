"""Sphinx's settings. Nothing here needs the network or a data set; `make docs` treats warnings as errors.

The pages of the API are written here from the public names, so that none can be missing.
"""

import importlib
import inspect
import os
import re
import runpy
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("FEATLEARN_DATA", str(Path(__file__).parent / "_no_data"))  # pages look alike wherever built

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform

import featlearn

HERE = Path(__file__).parent
project, author = "featlearn", "The featlearn developers"
copyright = author
version = release = featlearn.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_parser",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "_floors.md", "_learners.md", "_no_data", "Thumbs.db", "gallery/*.ipynb"]
default_role = "py:obj"
smartquotes = False
toc_object_entries_show_parents = "hide"
myst_heading_anchors = 3
myst_enable_extensions = ["colon_fence"]
suppress_warnings = ["config.cache"]

autodoc_typehints = "none"  # numpydoc's sections say them in words
autosummary_generate = True
numpydoc_show_class_members = False  # the template lists the methods
numpydoc_xref_param_type = False

html_theme = "pydata_sphinx_theme"
html_title = f"featlearn {version}"
html_static_path = ["_static"]
html_css_files = ["house.css"]
html_show_sourcelink = False
html_theme_options = {
    "show_prev_next": False,
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "header_links_before_dropdown": 6,
    "secondary_sidebar_items": {"**": ["page-toc"], "index": []},
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {"index": [], "growth": [], "results": [], "architecture": [], "changes": [], "contributing": []}

# Examples that a build runs: those that need no data set and take seconds. The others are shown, with a picture of an
# earlier run where there is one.
RUN = (
    "plot_digits_pipeline",
    "plot_photo_filters",
    "plot_rbm_digits",
    "plot_space_warp",
    "plot_toy_grammar",
)
sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": "/(" + "|".join(RUN) + r")\.py$",
    "ignore_pattern": r"__init__\.py",
    "backreferences_dir": "gallery/used",
    "doc_module": ("featlearn",),
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
    "show_signature": False,
    "within_subsection_order": "FileNameSortKey",
    "plot_gallery": os.environ.get("FEATLEARN_GALLERY", "1") == "1",
}

# What a room of the API reference is called; modules of which only some names are public come last.
ROOMS = {
    "vectors": "Learners of vectors",
    "images": "Images",
    "linear": "Classifiers",
    "networks": "Networks",
    "text": "Text",
    "topics": "Topics",
    "grammar": "Grammars and parsers",
    "datasets": "Data sets",
    "plot": "Pictures",
    "streaming": "Walks over data",
    "training": "The gradient loop",
    "callbacks": "Callbacks",
    "persistence": "Saved models",
}


def public_names() -> dict[str, list[str]]:
    """The public names of each room, as ``featlearn._HOME`` lists them, with those of `datasets` and `training`."""
    homes = {room: list(names) for room, names in featlearn._HOME.items()}
    for room in ("datasets", "training"):
        names = importlib.import_module(f"featlearn.{room}").__all__
        # `Params` and `State` are other names of a dict.
        homes[room] = [f"{room}.{name}" for name in names if name not in ("Params", "State")]
    return {room: sorted(homes[room], key=str.lower) for room in [*ROOMS, *(homes.keys() - ROOMS.keys())]}


def reference() -> str:
    """One page that lists every public name by room; autosummary writes the page of each."""
    parts = ["API reference", "=============", "", "Every public name is imported from ``featlearn`` itself."]
    for room, names in public_names().items():
        title = ROOMS.get(room, room)
        doc = inspect.getdoc(importlib.import_module(f"featlearn.{room}")) or ""
        parts += ["", title, "-" * len(title), "", doc.split("\n\n")[0], "", ".. currentmodule:: featlearn", ""]
        parts += [".. autosummary::", "   :toctree: .", "   :nosignatures:", "", *(f"   {name}" for name in names)]
    return "\n".join(parts) + "\n"


def write(path: str, text: str) -> None:
    """Write a page that is made here, unless it is the same already, so that Sphinx does not read it again."""
    page = HERE / path
    page.parent.mkdir(exist_ok=True)
    if not page.exists() or page.read_text() != text:
        page.write_text(text)


LINKED = {name.rpartition(".")[2]: f"featlearn.{name}" for names in public_names().values() for name in names}
write("api/index.rst", reference())
for name, source in (("_floors.md", "floors"), ("_learners.md", "registry")):  # tables that tests enforce
    write(name, runpy.run_path(str(HERE.parent / "tests" / f"{source}.py"))["table"]() + "\n")


def skip_foreign(app, what, name, obj, skip, options):
    """Methods that scikit-learn gives are described there."""
    function = inspect.unwrap(getattr(obj, "fget", None) or getattr(obj, "__func__", obj))
    home = getattr(function, "__module__", None) or ""
    return True if callable(function) and not home.startswith("featlearn") else skip


PLAIN = re.compile(r"(?<=\w)_(?!\w)|\|(?=\S)|(?<=[ (])\*(?=\w+[_,)])")


def read_as_plain(app, what, name, obj, options, lines):
    """Docstrings say `n_iter_` and |x| in plain words, where reStructuredText would see links and substitutions."""
    in_example, literal = False, None  # inside a doctest; the indent of the line that a literal block hangs below
    for i, line in enumerate(lines):
        in_example = line.lstrip().startswith(">>>") or (in_example and bool(line.strip()))
        indent = len(line) - len(line.lstrip())
        if literal is not None and line.strip() and indent <= literal:
            literal = None
        skipped = in_example or literal is not None or line.count("`") % 2
        if literal is None and line.endswith("::"):
            literal = indent
        if skipped:
            continue
        head, colon, tail = line.partition(" : ") if re.match(r" *\w+ : ", line) else ("", "", line)
        parts = re.split(r"(``.*?``|`.*?`)", tail)  # every other one is a literal or a name
        parts[::2] = [PLAIN.sub(r"\\\g<0>", part) for part in parts[::2]]
        lines[i] = head + colon + "".join(parts)


class NamesAreLinks(SphinxPostTransform):
    """On pages in Markdown, a public name written as code leads to its page: `KMeansDictionary`."""

    default_priority = 5  # before references are resolved

    def run(self, **_):
        if Path(self.env.doc2path(self.env.docname)).suffix != ".md":
            return
        for node in list(self.document.findall(nodes.literal)):
            name = node.astext().removeprefix("featlearn.").partition("(")[0]
            if name in LINKED and not isinstance(node.parent, (nodes.reference, addnodes.pending_xref)):
                options = {"refdomain": "py", "reftype": "obj", "reftarget": LINKED[name], "refwarn": True}
                link = addnodes.pending_xref("", node.deepcopy(), refdoc=self.env.docname, refexplicit=True, **options)
                node.replace_self(link)


def setup(app):
    """What the settings cannot say."""
    app.connect("autodoc-skip-member", skip_foreign)
    app.connect("autodoc-process-docstring", read_as_plain, priority=100)  # before numpydoc
    app.add_post_transform(NamesAreLinks)
