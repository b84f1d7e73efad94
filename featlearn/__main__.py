"""The command line: ``python -m featlearn``."""

import sys

from featlearn.commands import main

if __name__ == "__main__":
    sys.exit(main())
