"""Contract of `Retention`: what is kept for a time goes, what makes an event count once stays."""

import asyncio
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, select, text, update

from broker.housekeeping import KEPT, forget_old
from broker.model.failure import Failure, Stage
from broker.model.task import Task, TaskKind
from broker.ports import Receipt
from broker.storage import schema
from broker.storage.database import Database
from broker.storage.stores import Stores, open_stores
from tests.contracts.stores import INSTALLATION, NOW, at, event_of, installed, receive, sealer, uninstalled
from tests.contracts.test_tasks import claim_one

LATER = NOW + KEPT
MOST = 100


def failure(reference: str, when: datetime = NOW) -> Failure:
    """A record with little in it."""
    return Failure(reference, when, Stage.LAUNCH, "no_installation", "", None, None, None)


async def bodies(database: Database) -> int:
    """How many events have one."""
    query = select(func.count(schema.event.c.body))
    return await database.read(lambda connection: connection.execute(query).scalar_one())


async def plan_of(database: Database, statement: str) -> str:
    """How the database would look for it, told that to read a whole table is dear."""

    def work(connection: Connection) -> str:
        is_sqlite = connection.dialect.name == "sqlite"
        if not is_sqlite:
            connection.execute(text("SET LOCAL enable_seqscan = off"))
        rows = connection.execute(text(("EXPLAIN QUERY PLAN " if is_sqlite else "EXPLAIN ") + statement))
        return "\n".join(str(tuple(row)) for row in rows)

    return await database.read(work)


async def tasks(database: Database) -> dict[str, str]:
    """States of all tasks."""
    query = select(schema.task.c.key, schema.task.c.state)
    return {row.key: row.state for row in await database.read(lambda connection: connection.execute(query).all())}


async def test_bodies_go_after_their_time_and_the_event_stays(stores: Stores, database: Database) -> None:
    """Not a moment earlier. A delivery of 30 days ago is still known, and its credentials are still in use."""
    event = event_of(installed())
    await stores.events.receive(event, [installed()], [])
    assert await stores.retention.forget(NOW, MOST) == 0
    assert await bodies(database) == 1
    assert await stores.retention.forget(at(1), MOST) == 1
    assert await bodies(database) == 0
    assert await stores.events.receive(event, [installed()], []) is Receipt.DUPLICATE
    found = await stores.installations.find(INSTALLATION)
    assert found is not None
    assert found.credentials is not None


async def test_a_tombstone_stays(stores: Stores) -> None:
    """A late install of an installation that is gone opens nothing, after years too."""
    await receive(stores, installed(at(1)))
    await receive(stores, uninstalled(at(2)))
    assert await stores.retention.forget(NOW + timedelta(days=3650), MOST) == 2
    await receive(stores, installed(at(0)))
    found = await stores.installations.find(INSTALLATION)
    assert found is not None
    assert not found.is_active


async def test_what_was_not_read_in_time_can_not_be_replayed(stores: Stores) -> None:
    """An event of an unknown type is kept as long as all others."""
    await stores.events.receive(event_of(installed()), [], [])
    await stores.retention.forget(at(1), MOST)
    assert (await stores.events.get_whole("1")).body == b""


async def test_done_tasks_go_and_all_others_stay(stores: Stores, database: Database) -> None:
    """What waits, runs, alarms or was given up is somebody's to look at, however old."""
    for key, end in (
        ("done", stores.tasks.finish),
        ("failed", lambda claim: stores.tasks.give_up(claim, "no")),
        ("alarming", lambda claim: stores.tasks.postpone(claim, timedelta(days=1), "no", is_alarming=True)),
        ("waiting", lambda claim: stores.tasks.postpone(claim, timedelta(days=1), None)),
    ):
        await stores.tasks.enqueue(Task(TaskKind.CONVERGE, key))
        assert await end(await claim_one(stores.tasks))
    await stores.tasks.enqueue(Task(TaskKind.CONVERGE, "leased"))
    await claim_one(stores.tasks)
    # Tasks go by the database's clock.
    long_ago = update(schema.task).values(due_at=0)
    await database.write(lambda connection: connection.execute(long_ago))
    assert await stores.retention.forget(NOW - timedelta(days=365), MOST) == 1
    assert await tasks(database) == {
        "failed": "failed",
        "alarming": "alarming",
        "waiting": "waiting",
        "leased": "leased",
    }


async def test_a_task_that_was_done_lately_stays(stores: Stores, database: Database) -> None:
    """`events show` tells for 30 days what became of an event."""
    await stores.tasks.enqueue(Task(TaskKind.CONVERGE, "a"))
    await stores.tasks.finish(await claim_one(stores.tasks))
    now = await database.read(lambda connection: connection.execute(select(schema.task.c.due_at)).scalar_one())
    due = datetime.fromtimestamp(now / 1000, tz=NOW.tzinfo)
    assert await stores.retention.forget(due - timedelta(seconds=1), MOST) == 0
    assert await stores.retention.forget(due + timedelta(seconds=1), MOST) == 1


async def test_a_task_that_is_gone_can_be_asked_for_again(stores: Stores, database: Database) -> None:
    """And who still holds a lease of its former life changes nothing."""
    await stores.tasks.enqueue(Task(TaskKind.CONVERGE, "a"))
    former = await claim_one(stores.tasks, owner="former")
    await stores.tasks.finish(former)
    await stores.retention.forget(NOW + timedelta(days=36500), MOST)
    assert await tasks(database) == {}
    await stores.tasks.enqueue(Task(TaskKind.CONVERGE, "a"))
    claim = await claim_one(stores.tasks)
    assert not await stores.tasks.finish(former)
    assert await stores.tasks.finish(claim)


async def test_failures_go_after_their_time(stores: Stores) -> None:
    """By the time at which they happened."""
    await stores.failures.save(failure("old", at(0)))
    await stores.failures.save(failure("new", at(1)))
    assert await stores.retention.forget(at(1), MOST) == 1
    assert await stores.failures.find("old") is None
    assert await stores.failures.find("new") is not None


async def test_a_step_has_an_end_and_the_steps_together_leave_nothing(stores: Stores) -> None:
    """Others can write between them."""
    for number in range(7):
        await stores.failures.save(failure(f"reference{number}"))
        await receive(stores, installed())
    assert [await stores.retention.forget(LATER, 3) for _ in range(4)] == [6, 6, 2, 0]


async def test_several_that_tidy_up_at_once_leave_nothing(stores: Stores, other_stores: Stores) -> None:
    """All replicas do so every minute; together they count each record once."""
    for number in range(40):
        await stores.failures.save(failure(f"reference{number}"))
        await receive(stores, installed())

    async def tidy_up(each: Stores) -> int:
        return sum([await each.retention.forget(LATER, 7) for _ in range(12)])

    done = await asyncio.gather(*(tidy_up(each) for each in (stores, other_stores) * 2))
    assert sum(done) == 80


async def test_housekeeping_keeps_everything_for_30_days(database: Database) -> None:
    """More than one step's worth of it."""
    stores = open_stores(database, sealer(), lambda: NOW)
    for number in range(3):
        await stores.failures.save(failure(f"reference{number}"))
    await forget_old(stores.retention, lambda: NOW + timedelta(days=30))
    assert await stores.failures.find("reference0") is not None
    await forget_old(stores.retention, lambda: NOW + timedelta(days=30, seconds=1))
    assert await stores.failures.find("reference2") is None


async def test_that_nothing_is_left_to_erase_is_found_by_an_index(database: Database) -> None:
    """Each minute, whatever lies behind: no search reads events, tasks or failures that stay."""
    for statement, index in (
        (
            "SELECT number FROM event WHERE body IS NOT NULL AND received_at < 1 ORDER BY received_at",
            "ix_event_body_kept",
        ),
        ("SELECT kind, key FROM task WHERE state = 'done' AND due_at < 1", "ix_task_state_due_at"),
        ("SELECT reference FROM failure WHERE at < 1", "ix_failure_at"),
    ):
        assert index in await plan_of(database, f"{statement} LIMIT 5")
