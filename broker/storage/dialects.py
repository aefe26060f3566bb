"""What SQLite and PostgreSQL say differently: all of it is here, so that the stores are the same for both."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, Connection, Table, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class db_now_ms(FunctionElement[int]):  # noqa: N801 (reads as the SQL function that it is)
    """The database's clock, in milliseconds since the epoch: leases of several processes go by one clock."""

    type = BigInteger()
    inherit_cache = True


@compiles(db_now_ms, "sqlite")
def _now_on_sqlite(_element: db_now_ms, _compiler: SQLCompiler, **_options: Any) -> str:
    # A Julian day is a float with a step of 40 µs today; `unixepoch('subsec')` needs SQLite 3.42.
    return "CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"


@compiles(db_now_ms, "postgresql")
def _now_on_postgresql(_element: db_now_ms, _compiler: SQLCompiler, **_options: Any) -> str:
    return "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"


def insert_on(dialect: str, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that may say ON CONFLICT."""
    return sqlite.insert(table) if dialect == "sqlite" else postgresql.insert(table)


def insert_new(connection: Connection, table: Table, unique: tuple[str, ...] | None, values: Mapping[str, Any]) -> bool:
    """Insert the row; False, and nothing changes, where one with the same values in the `unique` columns is there.

    None for whatever the table has that is unique. That is needed where one follows from another: of two that insert the same row at once
    PostgreSQL looks at the named one first, and may meet the other's row in the second, which is an error.
    """
    statement = _insert_new_on(connection.dialect.name, table, unique)
    return connection.execute(statement, values).rowcount == 1


def insert_new_numbered(
    connection: Connection, table: Table, unique: tuple[str, ...], values: Mapping[str, Any]
) -> int | None:
    """As `insert_new`: the `number` of the new row, None where there is none."""
    statement = _insert_new_on(connection.dialect.name, table, unique).returning(table.c.number)
    number: int | None = connection.execute(statement, values).scalar()
    return number


@cache
def _insert_new_on(dialect: str, table: Table, unique: tuple[str, ...] | None) -> sqlite.Insert | postgresql.Insert:
    """Built once: to build it costs more than to run it."""
    insert = insert_on(dialect, table).on_conflict_do_nothing(index_elements=unique)
    # Without the option SQLAlchemy doesn't keep the count of an INSERT on PostgreSQL.
    return insert.execution_options(preserve_rowcount=True)


# One statement, since a deadlock needs two who take the same locks in different orders.
_HOLD = text(
    "SELECT pg_advisory_xact_lock(wanted) FROM unnest(CAST(:names AS bigint[])) WITH ORDINALITY AS each(wanted, place) ORDER BY place"
)


def hold(connection: Connection, *names: Sequence[str]) -> None:
    """Let nobody else hold any of these names until this transaction ends; call it once in a transaction, before what it protects.

    Nothing to do on SQLite, where one transaction writes at a time.
    """
    if connection.dialect.name == "sqlite":
        return
    numbers = sorted({number_of(name) for name in names})
    connection.execute(_HOLD, {"names": numbers})


def number_of(name: Sequence[str]) -> int:
    """PostgreSQL's advisory locks are numbers of 64 bits. Two names with one number would wait for each other, no more."""
    return int.from_bytes(hashlib.sha256(json.dumps(name).encode()).digest()[:8], signed=True)
