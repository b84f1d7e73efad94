"""Files written as a whole: nobody sees half of one, and a failure leaves the old one."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path to write to that takes its name when all is written; a failure leaves nothing new behind."""
    part = path.with_name(f".{os.getpid()}-{threading.get_ident()}.{path.name}")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
