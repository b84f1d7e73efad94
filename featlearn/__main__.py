"""The command line: ``python -m featlearn``."""

import io
import sys

from featlearn.commands import main

if __name__ == "__main__":
    if isinstance(sys.stdout, io.TextIOWrapper):  # a word or a file's name that the terminal lacks ends no run
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(main())
