"""Files written as a whole: nobody sees half of one, and a failure leaves the old one."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path to write to that takes its name when all is written; a failure leaves nothing new behind.

    A file that is replaced keeps its mode, and nobody else reads what is being written.
    """
    part = path.with_name(f".{uuid4().hex}{path.suffix[:20]}")  # any name of a file has room for this one
    try:
        if path.is_file():
            part.touch(0o600)
        yield part
        if path.is_file():
            shutil.copymode(path, part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
