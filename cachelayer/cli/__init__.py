"""The command line. A command is a line in `COMMANDS`, and a click command in the module that it names."""

from __future__ import annotations

import logging
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Final

from cachelayer.errors import MissingExtraError

if TYPE_CHECKING:
    import click

#: Each command, with the module that has it under its own name. A module imports more than click when it runs.
COMMANDS: Final = {
    "stats": "cachelayer.cli.figures",
    "routes": "cachelayer.cli.figures",
    "top": "cachelayer.cli.figures",
    "keys": "cachelayer.cli.entries",
    "get": "cachelayer.cli.entries",
    "purge": "cachelayer.cli.purges",
    "clear": "cachelayer.cli.purges",
    "explain": "cachelayer.cli.explain",
    "bench": "cachelayer.cli.bench",
    "doctor": "cachelayer.doctor",
    "demo": "cachelayer.demo.command",
}

#: What the extra `cli` installs, by the names under which it is imported.
_EXTRA: Final = frozenset({"airportsdata", "click", "httpx", "rich", "starlette", "uvicorn"})


def main() -> None:
    """Run the command line. Exits with 2 where something that it needs is not installed."""
    # What goes wrong is said by the commands themselves.
    logging.getLogger("cachelayer").addHandler(logging.NullHandler())
    try:
        make_group()(prog_name="cachelayer")
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise
        print(MissingExtraError("the command line", "cli"), file=sys.stderr)  # noqa: T201 - there may be no click
        sys.exit(2)


def make_group() -> click.Group:
    """Return the command `cachelayer` with all its subcommands."""
    import click

    group = click.Group(help="A caching layer for Python web applications.")
    click.version_option(package_name="cachelayer", message="cachelayer %(version)s")(group)
    for name, module in COMMANDS.items():
        group.add_command(getattr(import_module(module), name))
    return group
