"""`broker database`: the schema of the database."""

import typer

from broker.cli.audit import run_audited
from broker.cli.opening import run
from broker.storage.database import Database
from broker.storage.database import upgrade as upgrade_database

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


async def _nothing_more(_database: Database) -> None:
    """It is done."""
