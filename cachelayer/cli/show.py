"""How commands show what they found: tables with colours on a terminal, and JSON for scripts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def make_console(*, errors: bool = False) -> Console:
    """Return what tables are printed on: wide enough for all of one where nobody looks at a terminal."""
    from rich.console import Console

    console = Console(stderr=errors, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = 200
    return console


def print_json(found: Any) -> None:
    """Print something as JSON, indented."""
    import click

    click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())


def make_table(columns: Iterable[str], *, title: str | None = None) -> Table:
    """Return a table; columns whose name begins with ">" are figures."""
    from rich.table import Table
    from rich.text import Text

    # Labels and keys come from outside: nothing in them is markup.
    table = Table(
        title=None if title is None else Text(title), title_justify="left", title_style="bold", box=None
    )
    for name in columns:
        figures = name.startswith(">")
        table.add_column(
            name.removeprefix(">"), justify="right" if figures else "left", no_wrap=figures, overflow="fold"
        )
    return table


def plain(text: object) -> str:
    """Return text that moves no cursor: what is not printable is escaped."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in str(text)
    )
