"""The database, as the stores see it: work on a connection, in one transaction, off the event loop.

Owns: the two ways to use it, opening it by URL, its schema's version. Leaves to others: statements (`sql_*`), the ways of each kind of
database (`sqlite`, `postgresql`).
"""

import asyncio
import time
from collections.abc import Callable, Collection
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Protocol, TypeVar

from sqlalchemy import Connection, inspect, make_url, text
from sqlalchemy.exc import ArgumentError

from broker.errors import SchemaError, StorageBusy, StorageError
from broker.storage.dialects import hold
from broker.storage.postgresql import PostgresqlDatabase
from broker.storage.sqlite import SqliteDatabase

T = TypeVar("T")


class Database(Protocol):
    """Runs work in transactions. Both ways raise StorageError, and StorageUnavailable where trying again can help.

    Work may be run more than once, each time on what the time before did not change: it does nothing but use the connection.
    """

    @property
    def upgrades_at_start(self) -> bool:
        """Whether the service may upgrade the schema by itself: only where no other process can be serving with the former one."""
        ...

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
    if parts.drivername in ("postgresql", "postgresql+psycopg"):
        return PostgresqlDatabase(parts.set(drivername="postgresql+psycopg"))
    if parts.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise StorageError(f"BROKER_DATABASE_URL: {parts.drivername!r} is neither sqlite nor postgresql")
    if not parts.database or parts.database == ":memory:":
        raise StorageError("BROKER_DATABASE_URL: SQLite needs a file")
    return SqliteDatabase(parts.database)


class Schema(StrEnum):
    """A database's schema, seen from this version."""

    CURRENT = "current"
    OLD = "old"
    """Older, or not there yet."""
    NEW = "new"
    """Of a version that this one does not know."""


async def schema_of(database: Database) -> Schema:
    """Which schema it has."""
    return await database.read(_schema_of)


async def is_current(database: Database) -> bool:
    """Whether the schema is exactly this version's: neither older nor newer."""
    return await schema_of(database) is Schema.CURRENT


async def upgrade(database: Database) -> bool:
    """Bring the schema to this version, in one transaction; False where it is there. Raises SchemaError where it is newer.

    Any number of processes may do so at once: each waits for those before it, which takes longer than a write waits for another.
    """
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return await database.write(_upgrade)
        except StorageBusy:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(_AGAIN_S)  # SQLite says so at once, too, where two make the same file


async def make_ready(database: Database) -> None:
    """Upgrade where the service may; else see that it is done. Raises SchemaError, whose text says the command."""
    if database.upgrades_at_start:
        await upgrade(database)
    else:
        await require_current(database)


async def require_current(database: Database) -> None:
    """See that the schema is this version's. Raises SchemaError, whose text says the command."""
    schema = await schema_of(database)
    if schema is Schema.OLD:
        raise SchemaError(_TOO_OLD)
    if schema is Schema.NEW:
        raise SchemaError(_TOO_NEW)


_PATIENCE_S = 60.0
_AGAIN_S = 0.05

_TOO_OLD = "its schema is older than this version: run `broker database upgrade`, then try again"
_TOO_NEW = "its schema is newer than this version: start the version that ran `broker database upgrade`, or bring back a backup"


def _upgrade(connection: Connection) -> bool:
    if connection.dialect.name == "postgresql":
        # Others may upgrade for as long as it takes, and so may we.
        connection.execute(text("SET LOCAL lock_timeout = 0"))
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        hold(connection, ("schema",))
    schema = _schema_of(connection)
    if schema is Schema.NEW:
        raise SchemaError(_TOO_NEW)
    if schema is Schema.OLD:
        # Here, since most processes never upgrade: to import it takes a good part of a start.
        from broker.storage.migrating import migrate  # noqa: PLC0415

        migrate(connection)
    return schema is Schema.OLD


def _schema_of(connection: Connection) -> Schema:
    revision = None
    if inspect(connection).has_table("alembic_version"):
        revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
    known = revisions()
    if revision == max(known):
        return Schema.CURRENT
    # Any revision of the past is in the history that comes with us.
    return Schema.OLD if revision is None or revision in known else Schema.NEW


@cache
def revisions() -> Collection[str]:
    """Revisions of the schema that this version knows, by the names of their files; the greatest is its own."""
    names = (file.name for file in files("broker.storage.migrations.versions").iterdir())
    return frozenset(name[1:5] for name in names if name.startswith("r") and name.endswith(".py"))
