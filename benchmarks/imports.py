"""`import featlearn` against `import sklearn.base`, in fresh interpreters."""

import subprocess
import sys

from benchmarks.harness import show, side_by_side


def run(quick: bool = False) -> dict:
    """Time the imports and print the ratio."""
    statements = {
        "import featlearn": "import featlearn",
        "import sklearn.base": "import sklearn.base",
        "python": "pass",
    }
    contenders = {
        name: lambda code=code: subprocess.run([sys.executable, "-c", code], check=True)
        for name, code in statements.items()
    }
    seconds = side_by_side(contenders, rounds=3 if quick else 11)
    peer = seconds["import sklearn.base"]
    show("imports", ["", "seconds", "time / sklearn.base"], [[name, s, s / peer] for name, s in seconds.items()])
    return {"seconds": seconds, "over_sklearn": {name: s / peer for name, s in seconds.items()}}
