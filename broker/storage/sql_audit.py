"""Record of what operators did (`model.audit`): written before and after, never changed otherwise, and kept for ever."""

from datetime import datetime

from sqlalchemy import insert, select, update

from broker.listing import Page
from broker.model.audit import Act, Outcome
from broker.storage import schema
from broker.storage.database import Database

_audit = schema.audit.c


class SqlAudit:
    """The record in this database."""

    def __init__(self, database: Database) -> None:
        """In this one."""
        self._database = database

    async def begin(self, at: datetime, who: str, command: str, about: str) -> int:
        """Say what is about to be done; its number."""
        row = {"at": at, "who": who, "command": command, "about": about, "outcome": Outcome.BEGUN.value}
        statement = insert(schema.audit).values(row).returning(_audit.number)
        return await self._database.write(lambda connection: connection.execute(statement).scalar_one())

    async def end(self, number: int, outcome: Outcome) -> None:
        """Say how it ended."""
        statement = update(schema.audit).where(_audit.number == number).values(outcome=outcome.value)
        await self._database.write(lambda connection: connection.execute(statement))

    async def page(self, since: datetime | None, size: int, start: str | None = None) -> Page[Act]:
        """Newest first."""
        query = select(schema.audit).order_by(_audit.number.desc()).limit(size)
        if since is not None:
            query = query.where(_audit.at >= since)
        if start is not None:
            query = query.where(_audit.number < int(start))
        found = await self._database.read(lambda connection: connection.execute(query).all())
        rows = [Act(each.number, each.at, each.who, each.command, each.about, Outcome(each.outcome)) for each in found]
        return Page(rows, str(rows[-1].number) if len(rows) == size else None)
