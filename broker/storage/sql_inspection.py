"""What `broker check` reads of the database beside the lists: its clock, and whether events of a type come at all."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, exists, func, select

from broker.storage import schema
from broker.storage.database import Database
from broker.storage.dialects import db_now_ms

_event, _sign_on, _installation = schema.event.c, schema.sign_on.c, schema.installation.c
_MOST_NAMED = 5


class SqlInspection:
    """Looks at this database; changes nothing. Made for a command: its queries may read whole tables."""

    def __init__(self, database: Database) -> None:
        """Looks at this one."""
        self._database = database

    async def clock(self) -> datetime:
        """The database's clock."""
        query = select(db_now_ms())
        now_ms = await self._database.read(lambda connection: connection.execute(query).scalar_one())
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=now_ms)

    async def last_event(self, event_type: str) -> datetime | None:
        """When the last event of this type was received; None where none ever was."""
        query = select(func.max(_event.received_at)).where(_event.type == event_type)
        return await self._database.read(lambda connection: connection.scalar(query))

    async def suspect(self) -> Sequence[str]:
        """Some installations whose credentials Talkdesk refused at the last check."""
        query = select(_installation.id).where(_installation.suspect_since.is_not(None))
        named = query.order_by(_installation.id).limit(_MOST_NAMED)
        return await self._database.read(lambda connection: list(connection.scalars(named)))

    async def never_signed_out(self, *, since: datetime, least: int) -> Sequence[str]:
        """Some installations with at least so many sign-ons since then, about which no `user.logout` ever came."""
        told = exists().where(_event.type == "user.logout", _event.installation_id == _sign_on.installation_id)
        query = (
            select(_sign_on.installation_id)
            .where(_sign_on.created_at >= since, ~told)
            .group_by(_sign_on.installation_id)
            .having(func.count() >= least)
            .order_by(_sign_on.installation_id)
            .limit(_MOST_NAMED)
        )

        def work(connection: Connection) -> list[str]:
            return list(connection.scalars(query))

        return await self._database.read(work)
