"""What SQLite and PostgreSQL say differently: all of it is here, so that the stores are the same for both."""

from typing import Any

from sqlalchemy import BigInteger, Connection, Table
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
    return connection.execute(statement.values(values).on_conflict_do_nothing(index_elements=unique)).rowcount == 1
