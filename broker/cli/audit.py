"""`broker audit`, and how every command that changes something gets onto that record.

Said before it is done and again after, so that a command which was killed is on record too; what can't be put on record is not done.
"""

import getpass
import os
import socket
from collections.abc import Awaitable, Callable
from typing import TypeVar

import typer

from broker.cli import options, output
from broker.cli.opening import run, settings_or_exit, utc_now
from broker.model.audit import Outcome
from broker.settings import DatabaseSettings, load_database_settings
from broker.storage.database import Database
from broker.storage.sql_audit import SqlAudit

app = typer.Typer(help="Who did what with these commands.", no_args_is_help=True)

T = TypeVar("T")

_COLUMNS = ("number", "at", "who", "command", "about", "outcome")


@app.callback()
def _audit() -> None:
    """Who did what with these commands."""


@app.command("list")
def list_acts(since: options.Since = None, limit: options.Limit = 50, as_json: options.AsJson = False) -> None:
    """List what was done, newest first. Commands that only look are not in it."""

    async def work(database: Database) -> None:
        audit = SqlAudit(database)
        pages = output.walk(lambda size, start: audit.page(since, size, start), limit)
        await output.print_list(pages, _COLUMNS, as_json=as_json)

    run(work)


def run_audited(
    work: Callable[[Database], Awaitable[T]], command: str, about: str, settings: DatabaseSettings | None = None
) -> T:
    """As `run`, on record."""
    settings = settings or settings_or_exit(load_database_settings)
    who = operator(settings)

    async def audited(database: Database) -> T:
        audit = SqlAudit(database)
        number = await audit.begin(utc_now(), who, command, about)
        outcome = Outcome.FAILED
        try:
            made = await work(database)
            outcome = Outcome.DONE
        finally:
            await audit.end(number, outcome)
        return made

    return run(audited, settings=settings)


def operator(settings: DatabaseSettings) -> str:
    """Who this is: what `OPERATOR` says, else the user of the operating system, as whom nobody but `sudo` may have come."""
    if settings.operator:
        return settings.operator
    try:
        name = os.environ.get("SUDO_USER") or getpass.getuser()
    except (KeyError, OSError):
        name = str(os.getuid())  # a container has no names
    return f"{name}@{socket.gethostname()}"
