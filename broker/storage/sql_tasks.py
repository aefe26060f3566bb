"""Tasks: rows that are claimed by a lease, on the database's clock.

A task is waiting, leased, done, failed, or alarming: that is waiting, and a person has to look.
Each claim counts `lease` up: whoever held a former lease of the same task, be it the same
worker after a long pause, changes nothing any more. Asking for a task counts `generation` up: a claim that ends with an older one than
the row's has not seen what the task was asked for, so it is due again.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from functools import cache, partial
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Executable,
    Row,
    Select,
    Text,
    and_,
    bindparam,
    case,
    func,
    or_,
    select,
    union_all,
    update,
)

from broker.model.task import Claim, LastTry, Task, TaskKind
from broker.storage.database import Database
from broker.storage.dialects import db_now_ms, insert_on
from broker.storage.schema import task as table
from broker.tracing import request_id

_WAITING, _LEASED, DONE, _FAILED, _ALARMING = "waiting", "leased", "done", "failed", "alarming"
_AT_ONCE = 200
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

        most = {_most(kind): wanted.get(kind, 0) for kind in TaskKind}
        asked = {"new_owner": owner, "for_ms": _ms(lease), **most}

        def work(connection: Connection) -> list[Claim]:
            rows = connection.execute(_CLAIM, asked).all()
            # In which order rows are changed is the database's affair.
            return [_claim_of(row, owner) for row in sorted(rows, key=lambda row: row.due_at)]

        return await self._database.write(work)

    async def finish(self, claim: Claim) -> bool:
        """As the port says."""
        return await self._end_lease(claim)

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
            now, *times = connection.execute(_NEXT_TIMES).one()
            earliest = min((time for time in times if time is not None), default=None)
            return None if earliest is None else timedelta(milliseconds=max(0, earliest - now))

        return await self._database.read(work)

    async def enqueue_all(self, kind: TaskKind, keys: Sequence[str]) -> None:
        """As the port says, in steps that nobody else has to wait for."""
        for start in range(0, len(keys), _AT_ONCE):
            await self._database.write(partial(_enqueue_some, kind, keys[start : start + _AT_ONCE]))

    async def unfinished(self, kind: TaskKind, keys: Collection[str]) -> Mapping[str, LastTry | None]:
        """As the port says."""
        is_open = (table.c.kind == kind.value, table.c.key.in_(keys), table.c.state != DONE)
        query = select(table.c.key, table.c.error, table.c.attempts, table.c.state).where(*is_open)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return {row.key: _last_try(row.error, row.attempts, row.state) for row in rows}

    async def _end_lease(self, claim: Claim, outcome: Mapping[str, Any] | None = None) -> bool:
        """Without an outcome it is done."""
        ours = {
            "a_kind": claim.task.kind.value,
            "a_key": claim.task.key,
            "a_lease": claim.lease,
            "an_owner": claim.owner,
        }

        def work(connection: Connection) -> bool:
            as_asked = {**ours, "a_generation": claim.generation}
            if connection.execute(_END.values(outcome) if outcome else _FINISH, as_asked).rowcount:
                return True
            return connection.execute(_DUE_AGAIN, ours).rowcount == 1

        return await self._database.write(work)


def _enqueue_some(kind: TaskKind, keys: Sequence[str], connection: Connection) -> None:
    for key in sorted(keys):  # in one order, so that two that ask for the same wait for each other once
        enqueue(connection, Task(kind, key))


def enqueue(connection: Connection, task: Task, after: timedelta = timedelta()) -> None:
    """Ask for a task, as part of a transaction."""
    asked = {"kind": task.kind.value, "key": task.key, "after_ms": _ms(after), "request_id": request_id()}
    connection.execute(_enqueue_on(connection.dialect.name), asked)


# Statements are built once: to build one costs more than to run it.


@cache
def _enqueue_on(dialect: str) -> Executable:
    new = {
        "state": _WAITING,
        "due_at": db_now_ms() + bindparam("after_ms", type_=BigInteger()),
        "generation": 1,
        "attempts": 0,
        "lease": 0,
        "request_id": bindparam("request_id", type_=Text()),
    }
    insert = insert_on(dialect, table).values(kind=bindparam("kind"), key=bindparam("key"), **new)
    due = insert.excluded.due_at
    # Not `in_`, whose list SQLAlchemy would expand at each execution.
    is_open = or_(*(table.c.state == state for state in (*_CLAIMABLE, _LEASED)))
    again = {
        # A lease that runs stays: the task is not to run twice at once. Its end finds the new generation.
        "state": case((table.c.state == _LEASED, _LEASED), else_=_WAITING),
        "due_at": case((and_(is_open, table.c.due_at < due), table.c.due_at), else_=due),
        "generation": table.c.generation + 1,
        "attempts": 0,
        "error": None,
        "request_id": insert.excluded.request_id,
    }
    return insert.on_conflict_do_update(index_elements=("kind", "key"), set_=again)


def _most(kind: TaskKind) -> str:
    return f"most_{kind.name.lower()}"


def _oldest(kind: TaskKind, state: str) -> Select[Any]:
    """The oldest due tasks of one kind and state, which an index has in this order: over two states at once it would have to sort all."""
    due = table.c.lease_until if state == _LEASED else table.c.due_at
    query = (
        select(table.c.kind, table.c.key, table.c.due_at)
        .where(table.c.state == state, table.c.kind == kind.value, due <= db_now_ms())
        .order_by(due)
        .limit(bindparam(_most(kind)))
        .with_for_update(skip_locked=True)  # says nothing on SQLite, where one writes at a time
    )
    return select(query.cte(f"{state}_{kind.name.lower()}"))


def _oldest_of(kind: TaskKind) -> Select[Any]:
    oldest = union_all(*(_oldest(kind, state) for state in (*_CLAIMABLE, _LEASED))).subquery()
    return select(
        select(oldest.c.kind, oldest.c.key).order_by(oldest.c.due_at).limit(bindparam(_most(kind))).subquery()
    )


def _claim() -> Executable:
    """One statement for all kinds: the worker claims after each task that ends, and each statement is a way to the database and back."""
    chosen = union_all(*(_oldest_of(kind) for kind in TaskKind)).subquery("chosen")
    leased = {
        "state": _LEASED,
        "owner": bindparam("new_owner"),
        "lease": table.c.lease + 1,
        "lease_until": db_now_ms() + bindparam("for_ms", type_=BigInteger()),
        "attempts": table.c.attempts + 1,
    }
    # A join and not `in_`, for which SQLite would read the table from end to end.
    is_chosen = (table.c.kind == chosen.c.kind, table.c.key == chosen.c.key)
    return update(table).where(*is_chosen).values(leased).returning(table)


_CLAIM = _claim()
_IS_HELD = and_(
    table.c.kind == bindparam("a_kind"),
    table.c.key == bindparam("a_key"),
    table.c.state == _LEASED,
    table.c.lease == bindparam("a_lease"),
    table.c.owner == bindparam("an_owner"),
    table.c.lease_until > db_now_ms(),
)
_END = update(table).where(_IS_HELD, table.c.generation == bindparam("a_generation")).values(_NO_LEASE)
_FINISH = _END.values(state=DONE, error=None)
_DUE_AGAIN = update(table).where(_IS_HELD).values(_ANEW)
_NEXT_TIMES = select(
    db_now_ms(),
    *(select(func.min(table.c.due_at)).where(table.c.state == state).scalar_subquery() for state in _CLAIMABLE),
    select(func.min(table.c.lease_until)).where(table.c.state == _LEASED).scalar_subquery(),
)


def _claim_of(row: Row[Any], owner: str) -> Claim:
    """Of a row as it is after the claim."""
    return Claim(Task(TaskKind(row.kind), row.key), owner, row.generation, row.attempts - 1, row.lease, row.request_id)


def _last_try(error: str | None, attempts: int, state: str) -> LastTry | None:
    if error is None:
        return None
    # Whoever waits counts from 0 again; a lease that runs is a try that has no outcome yet.
    failures = attempts - 1 if state == _LEASED else attempts
    return LastTry(error, is_failure=failures > 0)


def enqueue_in_time(connection: Connection, task: Task, after: timedelta) -> None:
    """As `enqueue`, where it is enough that the task begins by then and finds what this transaction keeps.

    One that waits already, for no later time, is left as it is: held until this transaction ends, nobody claims it before.
    """
    is_this = (table.c.kind == task.kind.value, table.c.key == task.key)
    is_coming = (table.c.state == _WAITING, table.c.due_at <= db_now_ms() + _ms(after))
    if connection.scalar(select(table.c.key).where(*is_this, *is_coming).with_for_update()) is None:
        enqueue(connection, task, after)


def _ms(duration: timedelta) -> int:
    return duration // timedelta(milliseconds=1)
