"""What commands print: tables for people, JSON for programs, both page by page so that no list is held whole.

Much of it comes from outside: whoever chooses an account's name must neither move the cursor of an operator's terminal nor colour it.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from enum import Enum
from typing import Any, TypeVar

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from broker.listing import Page

T = TypeVar("T")

Shown = Mapping[str, Any]
"""One row: names and values."""

PAGE = 200
_WIDE = 400
"""Columns of an output that is no terminal: nothing is folded in a file or a pipe."""


async def walk(
    read: Callable[[int, str | None], Awaitable[Page[T]]], limit: int, page: int = PAGE
) -> AsyncIterator[Sequence[Shown]]:
    """Pages of a list, until `limit` rows (0: all of them)."""
    start: str | None = None
    left = limit
    while True:
        found = await read(min(page, left) if limit else page, start)
        if found.rows:
            rows = found.rows[:left] if limit else found.rows
            left -= len(rows)
            yield [shown(row) for row in rows]
        start = found.next
        if start is None or (limit and left <= 0):
            return


def shown(row: Any) -> Shown:
    """A row's fields, as JSON has them; times in UTC."""
    return {name: _plain(value) for name, value in asdict(row).items()}


async def print_list(pages: AsyncIterator[Sequence[Shown]], columns: Sequence[str], *, as_json: bool) -> None:
    """All pages: one JSON list of whole objects, or a table a page with these columns."""
    if as_json:
        await _print_json(pages)
        return
    is_empty = True
    async for rows in pages:
        is_empty = False
        print_table(rows, columns)
    if is_empty:
        typer.echo("None.")


def print_one(row: Shown, *, as_json: bool, tables: Mapping[str, Sequence[str]] | None = None) -> None:
    """One object: a JSON list of it alone, or its fields below each other, then a table for each list in `tables` with these columns."""
    if as_json:
        print_objects([row])
        return
    inner = tables or {}
    fields = Table(box=None, show_header=False, pad_edge=False)
    for name, value in row.items():
        if name not in inner:
            fields.add_row(_header(name), _cell(value))
    _console().print(fields)
    for name, columns in inner.items():
        typer.echo(f"\n{name.capitalize()}:")
        if row[name]:
            print_table(row[name], columns)
        else:
            typer.echo("None.")


def print_objects(rows: Sequence[Shown]) -> None:
    """A few objects, as JSON."""
    typer.echo(json.dumps(rows, indent=2))


def print_table(rows: Sequence[Shown], columns: Sequence[str]) -> None:
    """A table with these columns of the rows."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        table.add_column(_header(name), overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row[name]) for name in columns))
    _console().print(table)


def clean(text: str) -> str:
    """Text from outside with what a terminal would obey written out."""
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)


async def _print_json(pages: AsyncIterator[Sequence[Shown]]) -> None:
    separator = "[\n"
    async for rows in pages:
        for row in rows:
            typer.echo(f"{separator}{json.dumps(row)}", nl=False)
            separator = ",\n"
    typer.echo("[]" if separator == "[\n" else "\n]")


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Enum):
        return value.value
    return value


def _header(name: str) -> str:
    return name.replace("_", " ")


def _cell(value: Any) -> Text:
    if value is None:
        return Text("–")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, list | tuple):
        return Text(clean(", ".join(map(str, value))) or "–")
    return Text(clean(str(value)))


def _console() -> Console:
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_WIDE)
