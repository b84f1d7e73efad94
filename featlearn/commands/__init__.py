"""The command line: ``python -m featlearn COMMAND``. Every command is a module here; ``files`` is what they share.

A command has ``HELP``, ``add_arguments(parser)`` and ``run(arguments)``, which returns an exit code or None; what is
wrong with the input it raises as OSError, ValueError or ImportError, which end as one line on standard error.

    0      all is done
    1      done, and for nothing: no sentence of all has a parse
    2      the input or the command line is wrong
    130    interrupted
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

COMMANDS = ["parse", "topics"]
DONE, IN_VAIN, REFUSED, INTERRUPTED = 0, 1, 2, 130


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    from featlearn import __version__

    top = argparse.ArgumentParser(prog="python -m featlearn", description="Classical feature learning.")
    top.add_argument("--version", action="version", version=f"featlearn {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    for name in COMMANDS:
        module = import_module(f"featlearn.commands.{name}")
        command = commands.add_parser(name, help=module.HELP, description=module.__doc__)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return the exit code."""
    name = ""
    try:
        parser = build_parser()
        arguments = parser.parse_args(argv)
        if arguments.command is None:
            parser.print_help(sys.stderr)
            return REFUSED
        name = f" {arguments.command}"
        return arguments.run(arguments) or DONE
    except (OSError, ValueError, ImportError) as error:
        print(f"featlearn{name}: {' '.join(str(error).split())}", file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        print(f"featlearn{name}: interrupted.", file=sys.stderr)
        return INTERRUPTED
