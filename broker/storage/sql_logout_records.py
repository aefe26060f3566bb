"""What was to be signed out, and how far it came."""

from datetime import datetime

from sqlalchemy import Connection, case, delete, exists, func, literal, select, update

from broker.model.delivery import DeliveryState
from broker.model.logout import Completed, Logout
from broker.storage.database import Database
from broker.storage.dialects import insert_new
from broker.storage.schema import delivery
from broker.storage.schema import logout as table


class SqlLogoutRecords:
    """Port `LogoutRecords`."""

    def __init__(self, database: Database) -> None:
        """Records in this database."""
        self._database = database

    async def begin(self, logout: Logout, now: datetime) -> int:
        """As the port says."""
        row = {
            "cause": logout.cause.value,
            "subject": logout.subject,
            "event": logout.event,
            "account_id": logout.account,
            "user_id": logout.user,
            "installation_id": logout.installation,
            "asked_at": now,
        }
        query = select(table.c.number).where(table.c.cause == logout.cause.value, table.c.subject == logout.subject)

        def work(connection: Connection) -> int:
            insert_new(connection, table, ("cause", "subject"), row)
            number: int = connection.execute(query).scalar_one()
            return number

        return await self._database.write(work)

    async def note_problem(self, number: int, problem: str) -> None:
        """As the port says."""
        change = update(table).where(table.c.number == number).values(problem=problem)
        await self._database.write(lambda connection: connection.execute(change))

    async def mark_told(self, number: int, now: datetime, problem: str | None) -> Completed | None:
        """As the port says. Told again (the later rounds of a sign-out), the first time counts, and so does its problem."""
        change = (
            update(table)
            .where(table.c.number == number)
            .values(
                told_at=func.coalesce(table.c.told_at, literal(now, table.c.told_at.type)),
                problem=case((table.c.told_at.is_(None), problem), else_=func.coalesce(problem, table.c.problem)),
            )
        )

        def work(connection: Connection) -> Completed | None:
            connection.execute(change)
            return complete(connection, number, now)

        return await self._database.write(work)

    async def forget(self, asked_before: datetime) -> int:
        """As the port says."""
        old = delete(table).where(table.c.asked_at < asked_before)
        return await self._database.write(lambda connection: connection.execute(old).rowcount)


def complete(connection: Connection, number: int, now: datetime) -> Completed | None:
    """Mark complete, once, what Keycloak was told of and every app has confirmed; as part of a transaction."""
    unconfirmed = exists().where(delivery.c.logout == number, delivery.c.state != DeliveryState.CONFIRMED.value)
    is_complete = (table.c.number == number, table.c.told_at.is_not(None), table.c.completed_at.is_(None), ~unconfirmed)
    change = update(table).where(*is_complete).values(completed_at=now).returning(table.c.asked_at)
    asked_at = connection.scalar(change)
    if asked_at is None:
        return None
    last = select(func.max(delivery.c.settled_at)).where(delivery.c.logout == number)
    return Completed(asked_at, connection.scalar(last))
