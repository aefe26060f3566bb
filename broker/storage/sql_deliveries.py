"""Logout tokens of Keycloak's on their way to apps: records of all of them, and the tokens of those that are open, sealed.

A token is kept as a one-time value: it is deleted when it has expired, and nobody could use it after that.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, bindparam, delete, func, select, update

from broker.model.delivery import Delivery, DeliveryState, ReceivedToken, Undelivered
from broker.model.logout import Completed
from broker.model.task import Task, TaskKind
from broker.ports import OneTimeKind
from broker.storage.database import Database
from broker.storage.dialects import insert_new, insert_new_numbered
from broker.storage.schema import delivery as table
from broker.storage.schema import one_time, sign_on
from broker.storage.sealing import Sealer
from broker.storage.sql_logout_records import complete
from broker.storage.sql_one_time import digest_of, opened, sealed_row
from broker.storage.sql_tasks import enqueue_in_time
from broker.storage.sql_undelivered import count_undelivered, find_undelivered, mark_alerted

_KEY = ("relay", "jti")
_OPEN = DeliveryState.OPEN.value
_A_MOMENT = timedelta(minutes=2)
"""Within this the rounds of a sign-out are over."""


class SqlDeliveries:
    """Port `Deliveries`."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        """Tokens are sealed."""
        self._database = database
        self._sealer = sealer

    async def receive(self, received: ReceivedToken, now: datetime, due_at: datetime) -> int | None:
        """As the port says."""
        content = {"token": received.token}
        name = _name(received.relay, received.jti)
        kept = sealed_row(self._sealer, OneTimeKind.RELAY, name, content, received.expires_at)

        def work(connection: Connection) -> int | None:
            logout = _logout_of(connection, received, now)
            row = {**_values(received), "logout": logout, "received_at": now, "due_at": due_at}
            number = insert_new_numbered(connection, table, _KEY, row)
            if number is not None:
                insert_new(connection, one_time, ("kind", "digest"), kept)
                enqueue_in_time(connection, Task(TaskKind.DELIVER, received.relay), due_at - now)
            return number

        return await self._database.write(work)

    async def due(self, relay: str, now: datetime, most: int) -> Sequence[Delivery]:
        """As the port says."""
        query = (
            select(table)
            .where(*_is_open(relay), table.c.due_at <= now)
            .order_by(table.c.due_at, table.c.number)
            .limit(most)
        )

        def work(connection: Connection) -> list[Delivery]:
            return [self._delivery_of(row, connection) for row in connection.execute(query)]

        return await self._database.read(work)

    async def next_due(self, relay: str) -> datetime | None:
        """As the port says."""
        query = select(func.min(table.c.due_at)).where(*_is_open(relay))
        return await self._database.read(lambda connection: connection.scalar(query))

    async def postpone(self, number: int, now: datetime, due_at: datetime, answer: str) -> None:
        """As the port says."""
        again = (
            update(table)
            .where(table.c.number == number, table.c.state == _OPEN)
            .values(due_at=due_at, attempts=table.c.attempts + 1, answer=answer)
            .returning(table.c.relay)
        )

        def work(connection: Connection) -> None:
            relay = connection.scalar(again)
            if relay is not None:
                enqueue_in_time(connection, Task(TaskKind.DELIVER, relay), due_at - now)

        await self._database.write(work)

    async def settle(self, number: int, state: DeliveryState, now: datetime, answer: str) -> Completed | None:
        """As the port says."""
        outcome = {"of": number, "as": state.value, "at": now, "with": answer}

        def work(connection: Connection) -> Completed | None:
            settled = connection.execute(_SETTLE, outcome).first()
            if settled is None:
                return None
            if state is not DeliveryState.CONFIRMED:
                count_undelivered(connection, settled.relay, number)
            return None if settled.logout is None else complete(connection, settled.logout, now)

        return await self._database.write(work)

    async def undelivered(self, relay: str) -> Undelivered | None:
        """As the port says."""
        return await self._database.read(lambda connection: find_undelivered(connection, relay))

    async def mark_alerted(self, relay: str, told: Undelivered, now: datetime) -> None:
        """As the port says."""
        await self._database.write(lambda connection: mark_alerted(connection, relay, told, now))

    async def forget(self, received_before: datetime) -> int:
        """As the port says."""
        old = delete(table).where(table.c.received_at < received_before)
        return await self._database.write(lambda connection: connection.execute(old).rowcount)

    def _delivery_of(self, row: Row[Any], connection: Connection) -> Delivery:
        name = _name(row.relay, row.jti)
        which = (one_time.c.kind == OneTimeKind.RELAY.value, one_time.c.digest == digest_of(name))
        sealed = connection.scalar(select(one_time.c.content).where(*which))
        token = None if sealed is None else opened(self._sealer, OneTimeKind.RELAY, name, sealed)["token"]
        return Delivery(row.number, row.attempts, row.expires_at, row.answer, token)


def _name(relay: str, jti: str) -> str:
    return f"{relay} {jti}"


def _is_open(relay: str) -> Sequence[ColumnElement[bool]]:
    return table.c.relay == relay, table.c.state == _OPEN


def _values(received: ReceivedToken) -> dict[str, Any]:
    return {
        "relay": received.relay,
        "jti": received.jti,
        "keycloak_session": received.session,
        "keycloak_user": received.subject,
        "state": _OPEN,
        "attempts": 0,
        "expires_at": received.expires_at,
    }


_seen = sign_on.alias()
_same_person = and_(_seen.c.account_id == sign_on.c.account_id, _seen.c.user_id == sign_on.c.user_id)
_IS_LEFT_ALONE = and_(sign_on.c.foreign_session.is_not(None), sign_on.c.is_told, sign_on.c.told_status.is_(None))
"""A session that is not ours, which went on after the sign-out: its end, some day, is of no sign-out of ours."""
# Made once: these are asked while Keycloak waits.
_SETTLE = (
    update(table)
    .where(table.c.number == bindparam("of"), table.c.state == _OPEN)
    .values(
        state=bindparam("as"),
        settled_at=bindparam("at", type_=table.c.settled_at.type),
        attempts=table.c.attempts + 1,
        answer=bindparam("with"),
    )
    .returning(table.c.logout, table.c.relay)
)
_BY_SESSION = (
    select(sign_on.c.ended_by)
    .where(sign_on.c.keycloak_session == bindparam("session"), ~_IS_LEFT_ALONE)
    .order_by(sign_on.c.ended_at.desc().nulls_last())
    .limit(1)
)
_BY_PERSON = (
    select(sign_on.c.ended_by)
    .join(_seen, _same_person)
    .where(_seen.c.keycloak_user == bindparam("subject"), sign_on.c.ended_by.is_not(None))
    .where(sign_on.c.ended_at >= bindparam("since", type_=sign_on.c.ended_at.type))
    .order_by(sign_on.c.ended_at.desc())
    .limit(1)
)


def _logout_of(connection: Connection, received: ReceivedToken, now: datetime) -> int | None:
    """The logout that ended the session, by Keycloak's id of it; else the one that ended sign-ons of the person a moment ago.

    By the person only where the session is of none of our records: one that was seen and has not ended was ended by somebody else.
    """
    number: int | None
    if received.session is not None:
        found = connection.execute(_BY_SESSION, {"session": received.session}).first()
        if found is not None:
            number = found.ended_by
            return number
    if received.subject is None:
        return None
    number = connection.scalar(_BY_PERSON, {"subject": received.subject, "since": now - _A_MOMENT})
    return number
