"""The database, as the stores see it: work on a connection, in one transaction, off the event loop.

Owns: the two ways to use it, opening it by URL, its schema's version. Leaves to others: statements (`sql_*`), SQLite's ways (`sqlite`).
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, make_url
from sqlalchemy.exc import ArgumentError

from broker.errors import StorageError
from broker.storage.sqlite import SqliteDatabase

T = TypeVar("T")


class Database(Protocol):
    """Runs work in transactions. Both ways raise StorageError, and StorageUnavailable where trying again can help."""

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run work that only reads, on one snapshot; waits for no writer."""
        ...

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run work as one transaction, all or nothing; on disk when it returns."""
        ...

    async def close(self) -> None:
        """Finish what is under way and close."""
        ...


def open_database(url: str) -> Database:
    """The database of this SQLAlchemy URL. Nothing is read or written yet."""
    try:
        parts = make_url(url)
    except ArgumentError:
        raise StorageError("BROKER_DATABASE_URL is not a URL of a database") from None
    if parts.get_backend_name() != "sqlite":
        raise StorageError(f"BROKER_DATABASE_URL: {parts.get_backend_name()!r} is not supported by this version")
    if not parts.database or parts.database == ":memory:":
        raise StorageError("BROKER_DATABASE_URL: SQLite needs a file")
    return SqliteDatabase(parts.database)


async def upgrade(database: Database) -> None:
    """Bring the schema to this version, in one transaction."""
    await database.write(lambda connection: command.upgrade(_config(connection), "head"))


async def is_current(database: Database) -> bool:
    """Whether the schema is exactly this version's: neither older nor newer."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    return head == await database.read(lambda connection: MigrationContext.configure(connection).get_current_revision())


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", "broker.storage:migrations")
    config.attributes["connection"] = connection
    return config
