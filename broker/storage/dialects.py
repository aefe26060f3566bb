"""What SQLite and PostgreSQL say differently: all of it is here, so that the stores are the same for both."""

import hashlib
import json
from collections.abc import Mapping, Sequence
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


def insert_new(connection: Connection, table: Table, unique: tuple[str, ...], values: dict[str, Any]) -> bool:
    """Insert the row; False, and nothing changes, where one with the same values in the `unique` columns is there."""
    is_sqlite = connection.dialect.name == "sqlite"
    statement = sqlite.insert(table) if is_sqlite else postgresql.insert(table)
    insert = statement.values(values).on_conflict_do_nothing(index_elements=unique)
    # Without the option SQLAlchemy doesn't keep the count of an INSERT on PostgreSQL.
    return connection.execute(insert, execution_options={"preserve_rowcount": True}).rowcount == 1


def insert_or_update(
    connection: Connection, table: Table, unique: tuple[str, ...], values: Mapping[str, Any], changes: Mapping[str, Any]
) -> None:
    """Insert the row, or change the one with the same values in the `unique` columns, in one statement: there is no moment between."""
    is_sqlite = connection.dialect.name == "sqlite"
    statement = sqlite.insert(table) if is_sqlite else postgresql.insert(table)
    connection.execute(statement.values(values).on_conflict_do_update(index_elements=unique, set_=changes))


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
