"""Repairs of identity providers: which of our fields were written again of late. A handful of rows, and none where nobody disturbs us."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, or_, select, update

from broker.model.identity_provider import CONTESTED_FOR, MOST_REPAIRS
from broker.model.names import Alias
from broker.model.task import Task, TaskKind
from broker.storage import schema
from broker.storage.database import Database
from broker.storage.sql_tasks import enqueue

_repair, _provider = schema.repair.c, schema.identity_provider.c


class SqlRepairs:
    """Port `Repairs`."""

    def __init__(self, database: Database) -> None:
        """Repairs noted in this database."""
        self._database = database

    async def contested(self, aliases: Collection[Alias], now: datetime) -> Mapping[Alias, frozenset[str]]:
        """As the port says."""
        query = (
            select(_repair.alias, _repair.field)
            .where(_repair.alias.in_(aliases), _repair.repaired_at > now - CONTESTED_FOR)
            .group_by(_repair.alias, _repair.field)
            .having(func.count() >= MOST_REPAIRS)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        fields: defaultdict[Alias, set[str]] = defaultdict(set)
        for row in rows:
            fields[Alias(row.alias)].add(row.field)
        return {alias: frozenset(names) for alias, names in fields.items()}

    async def note(self, alias: Alias, fields: Collection[str], now: datetime) -> None:
        """As the port says."""
        rows = [{"alias": alias, "field": field, "repaired_at": now} for field in fields]
        await self._database.write(lambda connection: connection.execute(insert(schema.repair), rows))

    async def call_for_people(self, alias: Alias, now: datetime) -> bool:
        """As the port says; the mark and the task are one transaction."""
        is_time = or_(_provider.contested_at.is_(None), _provider.contested_at <= now - CONTESTED_FOR)
        mark = (
            update(schema.identity_provider)
            .where(_provider.alias == alias, is_time)
            .values(contested_at=now)
            .returning(_provider.installation_id)
        )

        def work(connection: Connection) -> bool:
            installation = connection.scalar(mark)
            if installation is None:
                return False
            enqueue(connection, Task(TaskKind.ALERT_CONTESTED, installation))
            return True

        return await self._database.write(work)

    async def forget(self, repaired_before: datetime) -> int:
        """As the port says."""
        gone = delete(schema.repair).where(_repair.repaired_at < repaired_before)
        return await self._database.write(lambda connection: connection.execute(gone).rowcount)
