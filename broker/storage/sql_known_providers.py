"""Installations with their identity providers, a page at a time; states are folded from facts, and no credentials are opened."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Row, func, select

from broker.model.identity_provider import KnownProvider, ProviderRecord
from broker.model.names import Alias, InstallationId
from broker.storage import schema
from broker.storage.database import Database
from broker.storage.sql_identity_providers import record_of
from broker.storage.sql_listings import folded_many, newest_providers

_fact, _installation, _provider = schema.fact.c, schema.installation.c, schema.identity_provider.c


class SqlKnownProviders:
    """Port `KnownProviders`."""

    def __init__(self, database: Database) -> None:
        """Installations in this database."""
        self._database = database

    async def count(self) -> int:
        """As the port says."""
        query = select(func.count()).select_from(schema.installation)
        return await self._database.read(lambda connection: connection.execute(query).scalar_one())

    async def by_alias(self, aliases: Collection[Alias]) -> Mapping[Alias, KnownProvider]:
        """As the port says."""
        query = select(schema.identity_provider).where(_provider.alias.in_(aliases))

        def work(connection: Connection) -> Mapping[Alias, KnownProvider]:
            rows = connection.execute(query).all()
            ids = {row.installation_id for row in rows}
            folded, _ = folded_many(connection, _fact.installation_id.in_(ids))
            newest = newest_providers(connection, sorted(ids))
            return {
                Alias(row.alias): KnownProvider(
                    record_of(row), newest[row.installation_id].alias == row.alias, folded.get(row.installation_id)
                )
                for row in rows
            }

        return await self._database.read(work)

    async def page(
        self, size: int, after: InstallationId | None = None
    ) -> Sequence[tuple[InstallationId, Alias | None]]:
        """As the port says."""
        query = select(_installation.id).order_by(_installation.id).limit(size)
        if after is not None:
            query = query.where(_installation.id > after)

        def work(connection: Connection) -> Sequence[tuple[InstallationId, Alias | None]]:
            ids = connection.scalars(query).all()
            providers = select(_provider.installation_id, _provider.alias).where(_provider.installation_id.in_(ids))
            rows = connection.execute(providers.order_by(_provider.generation))
            newest = {row.installation_id: Alias(row.alias) for row in rows}  # the last one of each stays
            return [(InstallationId(each), newest.get(each)) for each in ids]

        return await self._database.read(work)

    async def newest(self, installations: Collection[InstallationId]) -> Mapping[InstallationId, KnownProvider]:
        """As the port says."""

        def work(connection: Connection) -> Mapping[InstallationId, KnownProvider]:
            folded, _ = folded_many(connection, _fact.installation_id.in_(installations))
            newest = newest_providers(connection, sorted(installations))
            return {each: KnownProvider(_record(newest.get(each)), True, folded.get(each)) for each in installations}

        return await self._database.read(work)


def _record(row: Row[Any] | None) -> ProviderRecord | None:
    return None if row is None else record_of(row)
