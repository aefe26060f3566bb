"""Tasks and failed sign-ons as operators and metrics see them; which event a task carries out."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, case, func, or_, select

from broker.listing import FailureFilter, Page, TaskCount, TaskRow
from broker.model.event import EventState
from broker.model.failure import Failure
from broker.model.task import Task, TaskKind
from broker.observation import Origin
from broker.storage import schema
from broker.storage.database import Database
from broker.storage.dialects import db_now_ms
from broker.storage.fact_rows import ROTATED
from broker.storage.sql_events import OWED_AN_ANSWER
from broker.storage.sql_failures import failure_of

_task, _event, _logout, _failure = schema.task.c, schema.event.c, schema.user_logout.c, schema.failure.c
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UNFINISHED = {"waiting": "waiting", "leased": "running", "failed": "failed", "alarming": "alarming"}
_ANSWERED_AT_ONCE = ("app.updated", "app.credentials_rotated")
"""Types whose answer waits for no converge."""
_MOST = 500
"""Most tasks of one installation that are listed."""


class SqlTaskList:
    """Port `TaskList`."""

    def __init__(self, database: Database) -> None:
        """Tasks in this database."""
        self._database = database

    async def of_event(self, number: int) -> Sequence[TaskRow]:
        """As the port says."""
        stated = select(schema.fact.c.installation_id).where(schema.fact.c.event == number)
        return await self._read(
            _is(TaskKind.CONVERGE, _task.key.in_(stated)),
            _is(TaskKind.ANSWER, _task.key == str(number)),
            await self._of_logouts(_logout.event == number),
        )

    async def of_installation(self, installation: str) -> Sequence[TaskRow]:
        """As the port says."""
        events = select(_event.number).where(_event.installation_id == installation).order_by(_event.number.desc())
        numbers = await self._database.read(lambda connection: connection.scalars(events.limit(_MOST)).all())
        return await self._read(
            _is(TaskKind.CONVERGE, _task.key == installation),
            _is(TaskKind.CHECK, _task.key == installation),
            _is(TaskKind.ALERT, _task.key == installation),
            _is(TaskKind.ALERT_CONTESTED, _task.key == installation),
            _is(TaskKind.ANSWER, _task.key.in_([str(number) for number in numbers])),
            await self._of_logouts(_logout.event.in_(numbers)),
        )

    async def following(self, number: int) -> Sequence[Task]:
        """As the port says. A converge asks for the answers that wait for it, once the realm is right."""
        fact = schema.fact.c
        installations = select(fact.installation_id).where(fact.event == number, fact.kind != ROTATED).distinct()
        logouts = select(_logout.number).where(_logout.event == number)
        owed = select(_event.number).where(
            _event.number == number,
            _event.type.in_(_ANSWERED_AT_ONCE),
            _event.state == EventState.TAKEN.value,
            _event.answer.is_(None),
        )

        def work(connection: Connection) -> Sequence[Task]:
            return [
                *(Task(TaskKind.CONVERGE, key) for key in connection.scalars(installations)),
                *(Task(TaskKind.SIGN_OUT, f"{logout}#1") for logout in connection.scalars(logouts)),
                *(Task(TaskKind.ANSWER, str(event)) for event in connection.scalars(owed)),
            ]

        return await self._database.read(work)

    async def _of_logouts(self, which: ColumnElement[bool]) -> ColumnElement[bool]:
        query = select(_logout.number).where(which)
        numbers = await self._database.read(lambda connection: connection.scalars(query).all())
        keys = [f"{number}#{round_number}" for number in numbers for round_number in (1, 2, 3)]
        return _is(TaskKind.SIGN_OUT, _task.key.in_(keys))

    async def _read(self, *which: ColumnElement[bool]) -> Sequence[TaskRow]:
        query = select(schema.task).where(or_(*which)).order_by(_task.kind, _task.due_at).limit(_MOST)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [
            TaskRow(row.kind, row.key, row.state, _EPOCH + timedelta(milliseconds=row.due_at), row.attempts, row.error)
            for row in rows
        ]


class SqlFailureList:
    """Port `FailureList`."""

    def __init__(self, database: Database) -> None:
        """Failures in this database."""
        self._database = database

    async def page(self, wanted: FailureFilter, size: int, start: str | None = None) -> Page[Failure]:
        """As the port says; a page begins after the time and reference of the last row before it."""
        by_value = (
            (_failure.stage, wanted.stage),
            (_failure.reason, wanted.reason),
            (_failure.installation, wanted.installation),
        )
        conditions: list[ColumnElement[bool]] = [column == value for column, value in by_value if value is not None]
        if wanted.since is not None:
            conditions.append(_failure.at >= wanted.since)
        if start is not None:
            at, _, reference = start.partition(" ")
            when = datetime.fromisoformat(at)
            conditions.append(or_(_failure.at < when, and_(_failure.at == when, _failure.reference < reference)))
        query = select(schema.failure).where(*conditions).order_by(_failure.at.desc(), _failure.reference.desc())
        found = await self._database.read(lambda connection: connection.execute(query.limit(size)).all())
        rows = [failure_of(row) for row in found]
        return Page(rows, f"{rows[-1].at.isoformat()} {rows[-1].reference}" if len(rows) == size else None)


class SqlBacklog:
    """Port `Backlog`."""

    def __init__(self, database: Database) -> None:
        """Tasks in this database."""
        self._database = database

    async def count(self) -> Sequence[TaskCount]:
        """As the port says."""

        def work(connection: Connection) -> list[TaskCount]:
            now = connection.execute(select(db_now_ms())).scalar_one()
            rows = connection.execute(backlog_query(now)).all()
            return [count for row in rows for count in _counts(row, now)]

        return await self._database.read(work)


def backlog_query(now: int) -> Select[Any]:
    """One pass over the index by state, kind and due time; done tasks are not touched."""
    due = func.sum(case((_task.due_at <= now, 1), else_=0)).label("due")
    columns = (_task.state, _task.kind, func.count().label("every"), due, func.min(_task.due_at).label("oldest"))
    unfinished = _task.state.in_(tuple(_UNFINISHED))
    return select(*columns).where(unfinished).group_by(_task.state, _task.kind)


def _counts(row: Row[Any], now: int) -> Iterator[TaskCount]:
    """What a row says; tasks that wait are told apart by whether they are due."""
    oldest_s = max(0.0, (now - row.oldest) / 1000)
    if row.state != "waiting":
        yield TaskCount(row.kind, _UNFINISHED[row.state], row.every, oldest_s)
        return
    if row.due:
        yield TaskCount(row.kind, "due", row.due, oldest_s)
    if row.every > row.due:
        yield TaskCount(row.kind, "waiting", row.every - row.due, 0.0)


class SqlOrigins:
    """Port `Origins`."""

    def __init__(self, database: Database) -> None:
        """Events and tasks in this database."""
        self._database = database

    async def find(self, task: Task) -> Origin | None:
        """As the port says. A converge serves whatever was heard of an installation; the later rounds of a sign-out only repeat the first."""
        query: Select[Any] = select(schema.event)
        if task.kind is TaskKind.ANSWER:
            query = query.where(_event.number == int(task.key), _event.answer.is_not(None))
        elif task.kind is TaskKind.SIGN_OUT and task.key.endswith("#1"):
            number = int(task.key.removesuffix("#1"))
            query = query.join(schema.user_logout, _logout.event == _event.number).where(_logout.number == number)
            # The sign-outs of a removal are a part of its effect: the answer comes after all of them.
            query = query.where(_event.type.not_in(OWED_AN_ANSWER))
        else:
            return None
        query = query.with_only_columns(_event.type, _event.received_at)
        row = await self._database.read(lambda connection: connection.execute(query).first())
        return None if row is None else Origin(row.type, row.received_at)


def _is(kind: TaskKind, key: ColumnElement[bool]) -> ColumnElement[bool]:
    return and_(_task.kind == kind.value, key)
