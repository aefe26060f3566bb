"""Events and the facts that they state, written together with the tasks that follow.

Facts are added and never changed, but for one thing: the credentials of an installation that is gone are erased.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from broker.model.event import Event, EventKey, EventState
from broker.model.facts import Fact, LicencesChanged, LoggedOut
from broker.model.licences import is_removed
from broker.model.names import AccountId, AppId, EventId, InstallationId, slug_of
from broker.model.task import Task, TaskKind
from broker.ports import Clock, Receipt
from broker.storage import schema
from broker.storage.database import Database
from broker.storage.dialects import hold, insert_new, insert_new_numbered
from broker.storage.fact_rows import fact_values, licence_values, logout_values
from broker.storage.sealing import Sealer, place_of
from broker.storage.sql_installations import folded, words_about
from broker.storage.sql_sign_ons import person_names
from broker.storage.sql_tasks import enqueue

_EVENT_KEY = ("event_id", "app_id", "type", "installation_id")
OWED_AN_ANSWER = ("app.installed", "app.updated", "app.credentials_rotated", "app.uninstalled")


# Built once: to build them costs more than to run them.
_OWNER = select(schema.installation.c.app_id, schema.installation.c.account_id).where(
    schema.installation.c.id == bindparam("of")
)
_ADD_LOGOUT = insert(schema.user_logout).returning(schema.user_logout.c.number)


class _OtherOwner(Exception):
    """Rolls the transaction back."""


class SqlEvents:
    """Port `Events`."""

    def __init__(self, database: Database, sealer: Sealer, clock: Clock) -> None:
        """Bodies are sealed; the clock says when an event was received."""
        self._database = database
        self._sealer = sealer
        self._clock = clock

    async def receive(self, event: Event, facts: Sequence[Fact], tasks: Sequence[TaskKind]) -> Receipt:
        """As the port says. What states nothing (unreadable, unknown) claims no installation either: only the event is kept."""
        row = {**self._event_values(event), "received_at": self._clock()}

        def work(connection: Connection) -> Receipt:
            number = insert_new_numbered(connection, schema.event, _EVENT_KEY, row)
            if number is None:
                return Receipt.DUPLICATE
            self._take(connection, number, event, facts, tasks)
            return Receipt.NEW

        return await self._write(work, event, facts)

    async def get_whole(self, number: str) -> Event:
        """As the port says."""
        row = await self._row(number)
        body = b""
        if row.body is not None:
            place = place_of("event", "body", *(getattr(row, name) for name in _EVENT_KEY))
            body = self._sealer.open(row.body, place=place)
        account = AccountId(row.account_id) if row.account_id else None
        return Event(_key_of(row), account, row.created_at, EventState(row.state), body)

    async def replay(self, number: str, event: Event, facts: Sequence[Fact], tasks: Sequence[TaskKind]) -> Receipt:
        """As the port says."""
        kept, values = _parse_number(number), self._event_values(event)
        # Of two at the same instant one finds it taken.
        is_open = (schema.event.c.number == kept, schema.event.c.state != EventState.TAKEN.value)

        def work(connection: Connection) -> Receipt:
            if _number_of(connection, event.key) not in (None, kept):
                return Receipt.DUPLICATE
            if not connection.execute(update(schema.event).where(*is_open).values(values)).rowcount:
                return Receipt.DUPLICATE
            self._take(connection, kept, event, facts, tasks)
            return Receipt.NEW

        return await self._write(work, event, facts)

    async def unanswered(self, installation: InstallationId) -> Sequence[tuple[str, EventKey]]:
        """As the port says."""
        query = (
            select(schema.event)
            .where(
                schema.event.c.installation_id == installation,
                schema.event.c.type.in_(OWED_AN_ANSWER),
                schema.event.c.state == EventState.TAKEN.value,
                schema.event.c.answer.is_(None),
            )
            .order_by(schema.event.c.created_at, schema.event.c.number)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [(str(row.number), _key_of(row)) for row in rows]

    async def get(self, number: str) -> tuple[EventKey, datetime | None]:
        """As the port says."""
        row = await self._row(number)
        return _key_of(row), row.created_at

    async def mark_answered(self, number: str, answer: str) -> None:
        """As the port says."""
        change = update(schema.event).where(schema.event.c.number == _parse_number(number)).values(answer=answer)
        await self._database.write(lambda connection: connection.execute(change))

    async def _row(self, number: str) -> Row[Any]:
        query = select(schema.event).where(schema.event.c.number == _parse_number(number))
        row = await self._database.read(lambda connection: connection.execute(query).first())
        if row is None:
            raise KeyError(number)
        return row

    async def _write(self, work: Callable[[Connection], Receipt], event: Event, facts: Sequence[Fact]) -> Receipt:
        if any(fact.installation != event.key.installation for fact in facts):
            raise ValueError("a fact is about another installation than its event")
        try:
            return await self._database.write(work)
        except _OtherOwner:
            return Receipt.OTHER_OWNER

    def _take(
        self, connection: Connection, number: int, event: Event, facts: Sequence[Fact], tasks: Sequence[TaskKind]
    ) -> None:
        """Keep what the event states, and the tasks that follow."""
        hold(connection, *_persons_of(facts))
        for fact in facts:
            _hold_owner(connection, fact, event.key.app)
        logouts = _add_facts(connection, number, facts, self._sealer, self._clock())
        for task in _tasks_of(tasks, event.key, number, logouts):
            enqueue(connection, task)

    def _event_values(self, event: Event) -> dict[str, Any]:
        key = _key_values(event.key)
        return {
            **key,
            "account_id": event.account,
            "created_at": event.created_at,
            "state": event.state.value,
            "body": self._sealer.seal(event.body, place=place_of("event", "body", *key.values())),
        }


def _key_values(key: EventKey) -> dict[str, str]:
    return {"event_id": key.event, "app_id": key.app, "type": key.type, "installation_id": key.installation or ""}


def _key_of(row: Row[Any]) -> EventKey:
    installation = InstallationId(row.installation_id) if row.installation_id else None
    return EventKey(EventId(row.event_id), AppId(row.app_id), row.type, installation)


def _parse_number(number: str) -> int:
    return int(number) if number.isascii() and number.isdecimal() else -1  # rows count from 1


def _number_of(connection: Connection, key: EventKey) -> int | None:
    query = select(schema.event.c.number).filter_by(**_key_values(key))
    number: int | None = connection.scalar(query)
    return number


def _hold_owner(connection: Connection, fact: Fact, app: AppId) -> None:
    """Fix the installation's app and account, or see that they are the same as ever."""
    owner = (app, fact.account)
    known = connection.execute(_OWNER, {"of": fact.installation}).first()
    if known is None:
        row = {"id": fact.installation, "slug": slug_of(fact.installation), "app_id": app, "account_id": fact.account}
        insert_new(connection, schema.installation, None, row)  # the slug follows from the id
        # Ours, or that of another transaction which was first.
        known = connection.execute(_OWNER, {"of": fact.installation}).one()
    if tuple(known) != owner:
        raise _OtherOwner


def _persons_of(facts: Sequence[Fact]) -> Iterator[Sequence[str]]:
    """Names of those who log out, or lose their licence: no sign-on of theirs is kept meanwhile."""
    for fact in facts:
        if isinstance(fact, LoggedOut):
            yield from person_names(fact.account, fact.user, fact.email)
        elif isinstance(fact, LicencesChanged):
            for user in fact.removed:
                yield from person_names(fact.account, user, None)


def _add_facts(
    connection: Connection, number: int, facts: Sequence[Fact], sealer: Sealer, now: datetime
) -> Sequence[int]:
    """Keep the facts; numbers of the logouts that they are or bring."""
    logouts: list[int] = []
    for position, fact in enumerate(facts):
        if isinstance(fact, LoggedOut):
            logouts.append(_add_logout(connection, number, fact))
        elif isinstance(fact, LicencesChanged):
            logouts += _change_licences(connection, number, fact, now)
        else:
            connection.execute(insert(schema.fact), fact_values(number, position, fact, sealer))
    return logouts


def _add_logout(connection: Connection, number: int, logout: LoggedOut) -> int:
    row: int = connection.execute(_ADD_LOGOUT, logout_values(number, logout)).scalar_one()
    return row


def _change_licences(connection: Connection, number: int, fact: LicencesChanged, now: datetime) -> Sequence[int]:
    """Keep who was added and removed; who was removed is signed out, too.

    Shut out still, whatever they began up to now ends: the event may have come long after its time. Added again since, only what they
    began before they were removed.
    """
    rows = list(licence_values(number, fact))
    if rows:
        connection.execute(insert(schema.licence), rows)
    installation = folded(connection, schema.installation.c.id == fact.installation)
    began_after = installation.began_after if installation else None
    logouts = []
    for user in sorted(fact.removed):
        is_out = is_removed(words_about(connection, fact.installation, user), began_after)
        ends = max(fact.created_at, now) if is_out else fact.created_at
        logout = LoggedOut(fact.installation, fact.account, user, None, ends)
        logouts.append(_add_logout(connection, number, logout))
    return logouts


def _tasks_of(kinds: Sequence[TaskKind], key: EventKey, number: int, logouts: Sequence[int]) -> Iterator[Task]:
    for kind in kinds:
        if kind is TaskKind.SIGN_OUT:
            yield from (Task(kind, f"{logout}#1") for logout in logouts)
        elif kind is TaskKind.ANSWER:
            yield Task(kind, str(number))
        else:
            if key.installation is None:
                raise ValueError("an event without an installation has nothing to converge")
            yield Task(kind, key.installation)
