"""Small records: what is remembered of accounts, and of this deployment."""

import secrets
from typing import Any

from sqlalchemy import Connection, Select, Table, bindparam, select

from broker.model.names import AccountId
from broker.storage import schema
from broker.storage.database import Database
from broker.storage.dialects import insert_new

_INSTANCE_ID = "instance_id"


class SqlAccounts:
    """Port `Accounts`."""

    def __init__(self, database: Database) -> None:
        """Accounts in this database."""
        self._database = database

    async def user_id_source(self, account: AccountId, offered: str) -> str:
        """As the port says."""
        row = {"id": account, "user_id_source": offered}
        return await _first_said(self._database, schema.account, row, _SOURCE_OF)


class SqlMeta:
    """Port `Meta`."""

    def __init__(self, database: Database) -> None:
        """Facts about this database."""
        self._database = database

    async def instance_id(self) -> str:
        """As the port says."""
        row = {"key": _INSTANCE_ID, "value": secrets.token_hex(16)}
        return await _first_said(self._database, schema.meta, row, _VALUE_OF)


# Built once: to build one costs more than to run it.
_SOURCE_OF: Select[str] = select(schema.account.c.user_id_source).where(schema.account.c.id == bindparam("id"))
_VALUE_OF: Select[str] = select(schema.meta.c.value).where(schema.meta.c.key == bindparam("key"))


async def _first_said(database: Database, table: Table, row: dict[str, Any], query: Select[str]) -> str:
    """What the query finds for the row; where it finds nothing, this row is kept first. Of several at once all get the same."""
    found = await database.read(lambda connection: connection.scalar(query, row))
    if found is not None:
        return found

    def work(connection: Connection) -> str:
        insert_new(connection, table, tuple(column.name for column in table.primary_key), row)
        return connection.execute(query, row).scalar_one()

    return await database.write(work)
