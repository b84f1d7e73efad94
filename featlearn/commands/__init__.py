"""The command line: ``python -m featlearn COMMAND``. Every command is a module here; ``files`` is what they share.

A command has ``HELP``, ``add_arguments(parser)`` and ``run(arguments)``, which returns an exit code or None; what is
wrong with the input it raises as OSError, ValueError or ImportError, which end as one line on standard error.

    0      all is done
    1      done, and for nothing: no sentence of all has a parse
    2      the input or the command line is wrong
    130    interrupted
"""

import argparse
import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from typing import TextIO

from featlearn.commands.files import as_options

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

    def say(message: object, *_: object) -> None:
        print(f"featlearn{name}: {as_options(' '.join(str(message).split()))}", file=sys.stderr)

    try:
        if sys.stdout is None:  # closed by the shell
            sys.stdout = open(os.devnull, "w")  # noqa: SIM115
        parser = build_parser()
        arguments = parser.parse_args(argv)
        if arguments.command is None:
            parser.print_help(sys.stderr)
            return REFUSED
        name = f" {arguments.command}"
        with warnings.catch_warnings():
            warnings.simplefilter("default", UserWarning)
            warnings.showwarning = say  # type: ignore[assignment]
            code = arguments.run(arguments) or DONE
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # whoever reads has enough
        hush(sys.stdout)
    except (OSError, ValueError, ImportError) as error:
        hush(sys.stdout)
        say(error)
        return REFUSED
    except MemoryError:
        say("there is not enough memory.")
        return REFUSED
    except KeyboardInterrupt:
        say("interrupted.")
        return INTERRUPTED
    return DONE


def hush(stream: TextIO) -> None:
    """Write what is left in a stream, or nowhere if that fails, so that the end of the process has nothing to tell."""
    try:
        stream.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
