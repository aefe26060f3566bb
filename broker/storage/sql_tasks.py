"""Tasks: rows that are claimed by a lease, on the database's clock.

A task is waiting, leased, done, failed, or alarming: that is waiting, and a person has to look.
Each claim counts `lease` up: whoever held a former lease of the same task, be it the same
worker after a long pause, changes nothing any more. Asking for a task counts `generation` up: a claim that ends with an older one than
the row's has not seen what the task was asked for, so it is due again.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, case, func, select, update

from broker.model.task import Claim, Task, TaskKind
from broker.storage.database import Database
from broker.storage.dialects import db_now_ms, insert_or_update
from broker.storage.schema import task as table

_WAITING, _LEASED, DONE, _FAILED, _ALARMING = "waiting", "leased", "done", "failed", "alarming"
_CLAIMABLE = (_WAITING, _ALARMING)
_NO_LEASE: dict[str, Any] = {"owner": None, "lease_until": None}
_ANEW: dict[str, Any] = {"state": _WAITING, "due_at": db_now_ms(), "attempts": 0, **_NO_LEASE}


class SqlTasks:
    """Port `Tasks`."""

    def __init__(self, database: Database) -> None:
        """Tasks of this database."""
        self._database = database

    async def enqueue(self, task: Task, after: timedelta = timedelta()) -> None:
        """As the port says."""
        await self._database.write(lambda connection: enqueue(connection, task, after))

    async def claim(self, owner: str, wanted: Mapping[TaskKind, int], lease: timedelta) -> Sequence[Claim]:
        """As the port says."""

        def work(connection: Connection) -> list[Claim]:
            now = _now(connection)
            _release_expired(connection, now)
            return [
                _lease(connection, row, owner, now + _ms(lease))
                for kind, limit in wanted.items()
                for row in _due(connection, kind, limit, now)
            ]

        return await self._database.write(work)

    async def finish(self, claim: Claim) -> bool:
        """As the port says."""
        return await self._end_lease(claim, {"state": DONE, "error": None})

    async def postpone(
        self, claim: Claim, after: timedelta, error: str | None, *, is_alarming: bool = False, is_anew: bool = False
    ) -> bool:
        """As the port says. Asked for again meanwhile: due at once, as after `finish`."""
        outcome = {"state": _ALARMING if is_alarming else _WAITING, "due_at": db_now_ms() + _ms(after), "error": error}
        return await self._end_lease(claim, outcome | ({"attempts": 0} if is_anew else {}))

    async def give_up(self, claim: Claim, error: str) -> bool:
        """As the port says. Asked for again meanwhile: due at once, as after `finish`."""
        return await self._end_lease(claim, {"state": _FAILED, "error": error})

    async def next_due(self) -> timedelta | None:
        """As the port says; a leased task is due when its lease runs out."""

        def work(connection: Connection) -> timedelta | None:
            waiting = select(func.min(table.c.due_at)).where(table.c.state.in_(_CLAIMABLE))
            leased = select(func.min(table.c.lease_until)).where(table.c.state == _LEASED)
            times = [time for time in (connection.scalar(waiting), connection.scalar(leased)) if time is not None]
            return timedelta(milliseconds=max(0, min(times) - _now(connection))) if times else None

        return await self._database.read(work)

    async def _end_lease(self, claim: Claim, outcome: dict[str, Any]) -> bool:
        def work(connection: Connection) -> bool:
            ours = _is_held(claim)
            as_asked = and_(ours, table.c.generation == claim.generation)
            if connection.execute(update(table).where(as_asked).values({**_NO_LEASE, **outcome})).rowcount:
                return True
            return connection.execute(update(table).where(ours).values(_ANEW)).rowcount == 1

        return await self._database.write(work)


def enqueue(connection: Connection, task: Task, after: timedelta = timedelta()) -> None:
    """Ask for a task, as part of a transaction."""
    due = _now(connection) + _ms(after)
    row = {"kind": task.kind.value, "key": task.key}
    new = {"state": _WAITING, "due_at": due, "generation": 1, "attempts": 0, "lease": 0}
    is_open = table.c.state.in_((*_CLAIMABLE, _LEASED))
    again = {
        # A lease that runs stays: the task is not to run twice at once. Its end finds the new generation.
        "state": case((table.c.state == _LEASED, _LEASED), else_=_WAITING),
        "due_at": case((and_(is_open, table.c.due_at < due), table.c.due_at), else_=due),
        "generation": table.c.generation + 1,
        "attempts": 0,
        "error": None,
    }
    insert_or_update(connection, table, ("kind", "key"), {**row, **new}, again)


def _due(connection: Connection, kind: TaskKind, limit: int, now: int) -> Sequence[Row[Any]]:
    query = (
        select(table)
        .where(table.c.state.in_(_CLAIMABLE), table.c.kind == kind.value, table.c.due_at <= now)
        .order_by(table.c.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True)  # says nothing on SQLite, where one writes at a time
    )
    return connection.execute(query).all()


def _lease(connection: Connection, row: Row[Any], owner: str, until: int) -> Claim:
    claimed = Task(TaskKind(row.kind), row.key)
    lease = row.lease + 1
    connection.execute(
        update(table)
        .where(_is(claimed))
        .values(state=_LEASED, owner=owner, lease=lease, lease_until=until, attempts=row.attempts + 1)
    )
    return Claim(claimed, owner, row.generation, row.attempts, lease)


def _release_expired(connection: Connection, now: int) -> None:
    expired = and_(table.c.state == _LEASED, table.c.lease_until <= now)
    # Rows that somebody holds are passed over: two that claim at once release different ones, and wait for nobody.
    free = select(table.c.kind, table.c.key).where(expired).with_for_update(skip_locked=True)
    for row in connection.execute(free).all():
        released = {"state": _WAITING, **_NO_LEASE}
        connection.execute(update(table).where(table.c.kind == row.kind, table.c.key == row.key).values(released))


def _is(task: Task) -> ColumnElement[bool]:
    return and_(table.c.kind == task.kind.value, table.c.key == task.key)


def _is_held(claim: Claim) -> ColumnElement[bool]:
    return and_(
        _is(claim.task),
        table.c.state == _LEASED,
        table.c.lease == claim.lease,
        table.c.owner == claim.owner,
        table.c.lease_until > db_now_ms(),
    )


def _now(connection: Connection) -> int:
    return connection.execute(select(db_now_ms())).scalar_one()


def _ms(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)
