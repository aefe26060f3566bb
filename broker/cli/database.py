"""`broker database`: the schema of the database."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from broker.cli.audit import run_audited
from broker.cli.opening import fail, run, settings_or_exit
from broker.settings import load_database_settings
from broker.storage.database import Database
from broker.storage.database import upgrade as upgrade_database
from broker.storage.sqlite_backup import copy_sqlite

app = typer.Typer(help="The schema of the database.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """The schema of the database."""


@app.command()
def upgrade() -> None:
    """Bring the schema to this version, in one transaction.

    On PostgreSQL this is a step of its own, before the first service of a new version starts; any number of processes may do it at
    once. On SQLite the service does it by itself.
    """
    has_changed = run(upgrade_database, needs_current=False)
    if has_changed:
        # Not before: the record is a table of the new schema.
        run_audited(_nothing_more, "database upgrade", "to this version's schema")
    typer.echo("The schema is now this version's." if has_changed else "The schema is this version's already.")


@app.command()
def backup(file: Annotated[Path, typer.Argument(help="The copy that is made; it must not be there yet.")]) -> None:
    """Copy the SQLite database, also while the service uses it. PostgreSQL has `pg_dump`.

    The copy is of no use without the sealing keys, and gives nothing away without them but what is not secret: keep the two apart.
    """
    folder = settings_or_exit(load_database_settings).sqlite_folder
    if folder is None:
        fail("This database is PostgreSQL's: back it up with `pg_dump`, or as its administrator does.")
    source = folder / Path(settings_or_exit(load_database_settings).database.get_secret_value()).name
    run(lambda _: asyncio.to_thread(copy_sqlite, source, file), needs_current=False)
    typer.echo(f"{file} is a copy of {source}. Keep the sealing keys too, apart from it.")


async def _nothing_more(_database: Database) -> None:
    """It is done."""
