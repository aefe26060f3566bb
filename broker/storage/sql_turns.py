"""Turns: a row for each thing that one process at a time may do, leased on the database's clock."""

from datetime import timedelta

from sqlalchemy import ColumnElement, Connection, and_, or_, update

from broker.storage.database import Database
from broker.storage.dialects import db_now_ms, insert_on
from broker.storage.schema import turn as table


class SqlTurns:
    """Port `Turns`."""

    def __init__(self, database: Database) -> None:
        """Turns of this database."""
        self._database = database

    async def take(self, name: str, owner: str, lease: timedelta, *, every: timedelta = timedelta()) -> bool:
        """As the port says, in one statement: of several at once one gets it."""
        until = db_now_ms() + _ms(lease)
        is_time = or_(table.c.done_at.is_(None), table.c.done_at <= db_now_ms() - _ms(every))

        def work(connection: Connection) -> bool:
            insert = insert_on(connection.dialect.name, table).values(name=name, owner=owner, lease_until=until)
            taken = insert.on_conflict_do_update(
                index_elements=("name",),
                set_={"owner": owner, "lease_until": until},
                where=and_(table.c.lease_until <= db_now_ms(), is_time),
            )
            return connection.execute(taken.returning(table.c.name)).first() is not None

        return await self._database.write(work)

    async def renew(self, name: str, owner: str, lease: timedelta) -> bool:
        """As the port says."""
        kept = update(table).where(*_is_held(name, owner)).values(lease_until=db_now_ms() + _ms(lease))
        return await self._database.write(lambda connection: connection.execute(kept).rowcount == 1)

    async def give_back(self, name: str, owner: str, *, is_done: bool) -> None:
        """As the port says; a lease that has run out is not ours to end."""
        over = update(table).where(*_is_held(name, owner)).values(owner=None, lease_until=0)
        if is_done:
            over = over.values(done_at=db_now_ms())
        await self._database.write(lambda connection: connection.execute(over))


def _is_held(name: str, owner: str) -> tuple[ColumnElement[bool], ...]:
    return table.c.name == name, table.c.owner == owner, table.c.lease_until > db_now_ms()


def _ms(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)
