"""Generations of each installation's identity provider. An alias that was used is never used again."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from broker.model.identity_provider import ProviderRecord, ProviderState
from broker.model.names import AccountId, Alias, InstallationId, alias_of, slug_of
from broker.storage.database import Database
from broker.storage.dialects import hold
from broker.storage.schema import identity_provider as table
from broker.storage.schema import installation


class SqlProviderRecords:
    """Port `ProviderRecords`."""

    def __init__(self, database: Database) -> None:
        """Records in this database."""
        self._database = database

    async def find_latest(self, installation: InstallationId) -> ProviderRecord | None:
        """As the port says."""
        row = await self._database.read(lambda connection: _newest(connection, installation))
        return None if row is None else record_of(row)

    async def reserve(self, installation: InstallationId) -> ProviderRecord:
        """As the port says."""

        def work(connection: Connection) -> ProviderRecord:
            hold(connection, ("identity provider", installation))
            row = _newest(connection, installation)
            if row is not None and row.state != ProviderState.WITHDRAWN.value:
                return record_of(row)
            generation = 1 if row is None else row.generation + 1
            alias = alias_of(slug_of(installation), generation)
            record = ProviderRecord(installation, generation, alias, ProviderState.RESERVED)
            connection.execute(insert(table), _values(record))
            return record

        return await self._database.write(work)

    async def mark_live(self, alias: Alias) -> None:
        """As the port says; one that was withdrawn stays so."""
        change = (
            update(table)
            .where(table.c.alias == alias, table.c.state == ProviderState.RESERVED.value)
            .values(state=ProviderState.LIVE.value, was_live=True)
        )
        await self._database.write(lambda connection: connection.execute(change))

    async def mark_withdrawn(self, alias: Alias) -> None:
        """As the port says."""
        change = update(table).where(table.c.alias == alias).values(state=ProviderState.WITHDRAWN.value)
        await self._database.write(lambda connection: connection.execute(change))

    async def used(self, installation: InstallationId) -> Sequence[ProviderRecord]:
        """As the port says."""
        query = (
            select(table).where(table.c.installation_id == installation, table.c.was_live).order_by(table.c.generation)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [record_of(row) for row in rows]

    async def live_of_account(self, account: AccountId) -> Sequence[ProviderRecord]:
        """As the port says."""
        query = (
            select(table)
            .join(installation, installation.c.id == table.c.installation_id)
            .where(installation.c.account_id == account, table.c.state == ProviderState.LIVE.value)
            .order_by(table.c.alias)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [record_of(row) for row in rows]


# Built once: to build it costs more than to run it.
_NEWEST = (
    select(table).where(table.c.installation_id == bindparam("which")).order_by(table.c.generation.desc()).limit(1)
)


def _newest(connection: Connection, which: InstallationId) -> Row[Any] | None:
    return connection.execute(_NEWEST, {"which": which}).first()


def _values(record: ProviderRecord) -> dict[str, Any]:
    return {
        "alias": record.alias,
        "installation_id": record.installation,
        "generation": record.generation,
        "state": record.state.value,
        "was_live": False,
    }


def record_of(row: Row[Any]) -> ProviderRecord:
    """A row of the table `identity_provider`."""
    return ProviderRecord(
        InstallationId(row.installation_id), row.generation, Alias(row.alias), ProviderState(row.state)
    )
