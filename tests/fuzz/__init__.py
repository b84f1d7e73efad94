"""Structured nonsense for the gates, seeded: ``python -m tests.fuzz [N] [GATE ...]``.

Each case draws an input from kinds that people really pass, and what takes it. Allowed are a result that is right as
far as can be told (no NaN from finite input), and a ValueError or TypeError (for files an OSError) raised by our gates
or by scikit-learn's validation. A crash, a hang, another exception, an error that comes from the depths of NumPy or a
kernel, or a wrong result is a finding.
"""

import signal
import traceback
import warnings
from collections.abc import Callable
from importlib import import_module

import numpy as np

SECONDS = 60  # a case that takes longer hangs
OURS = ("featlearn/", "sklearn/utils/validation.py", "sklearn/utils/_param_validation.py", "sklearn/base.py")
OURS += ("sklearn/utils/multiclass.py", "sklearn/utils/_array_api.py")
# Each gate's function makes a case of a generator: a description, and a call that returns what is wrong, or None.
GATES = {
    "rows": "tests.fuzz.tables:rows_case",
    "images": "tests.fuzz.tables:images_case",
    "parameters": "tests.fuzz.tables:parameters_case",
    "terms": "tests.fuzz.terms:terms_case",
    "tokens": "tests.fuzz.tokens:tokens_case",
    "counts": "tests.fuzz.counts:counts_case",
    "indices": "tests.fuzz.indices:indices_case",
    "trees": "tests.fuzz.trees:trees_case",
    "grammars": "tests.fuzz.grammars:grammars_case",
    "documents": "tests.fuzz.documents:documents_case",
    "files": "tests.fuzz.files:files_case",
    "sentences": "tests.fuzz.sentences:sentences_case",
}

Case = tuple[str, Callable[[], str | None]]


class Hang(BaseException):
    """A case took too long."""


def pick(rng: np.random.Generator, options):
    """One of the options; never makes an array of them."""
    return options[int(rng.integers(len(options)))]


def finding(call: Callable[[], str | None]) -> str | None:
    """What is wrong with a call, or None."""

    def on_alarm(*_):
        raise Hang

    signal.signal(signal.SIGALRM, on_alarm)
    signal.alarm(SECONDS)
    try:
        return call()
    except (ValueError, TypeError, OSError) as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        ours = any(part in where.filename for part in OURS) and "featlearn/kernels" not in where.filename
        return None if ours else f"{type(error).__name__} from {where.filename}:{where.lineno}: {str(error)[:200]}"
    except Hang:
        return f"no answer within {SECONDS} s"
    except ImportError:
        return None
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} at {where.filename}:{where.lineno}: {str(error)[:200]}"
    finally:
        signal.alarm(0)


def fuzz(gate: str, n: int, seed: int = 0) -> list[tuple[int, str]]:
    """Findings (number of the case, description) among ``n`` cases of a gate."""
    module, _, name = GATES[gate].partition(":")
    make = getattr(import_module(module), name)
    found = []
    for number in range(n):
        what, call = make(np.random.default_rng([seed, number]))
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            wrong = finding(call)
        if wrong is not None:
            found.append((number, f"{what}: {wrong}"))
    return found
