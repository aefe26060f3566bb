"""Contracts of the lists that operators read, on every database."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

from broker.listing import EventFilter, FailureFilter, InstallationFilter, Page
from broker.model.failure import Failure, Stage
from broker.model.names import AccountId, InstallationId
from broker.model.task import Task, TaskKind
from broker.observation import Origin
from broker.storage.database import Database
from broker.storage.sql_listings import SqlAccountList, SqlEventList, SqlInstallationList
from broker.storage.sql_task_lists import SqlFailureList, SqlTaskList
from broker.storage.stores import Stores
from tests.contracts.stores import INSTALLATION, NOW, at, installed, logged_out, receive, uninstalled

T = TypeVar("T")
LEASE = timedelta(minutes=1)


async def whole(read: Callable[[str | None], Awaitable[Page[T]]]) -> list[T]:
    """All pages of a list."""
    page = await read(None)
    rows = list(page.rows)
    while page.next is not None:
        page = await read(page.next)
        rows += page.rows
    return rows


async def test_events_come_newest_first_each_once(stores: Stores, database: Database) -> None:
    """With a page that is full and the last one, and a filter."""
    for _ in range(4):
        await receive(stores, installed())
    await receive(stores, logged_out())
    events = SqlEventList(database)
    rows = await whole(lambda start: events.page(EventFilter(), 2, start))
    assert [row.number for row in rows] == sorted((row.number for row in rows), reverse=True)
    assert len(rows) == 5
    assert all(row.body_kept and row.received_at == NOW for row in rows)
    unanswered = EventFilter(only_unanswered=True, since=NOW, installation=INSTALLATION)
    assert len(await whole(lambda start: events.page(unanswered, 3, start))) == 4
    assert await events.find(rows[0].number) == rows[0]
    assert await events.find(10**6) is None


async def test_installations_come_by_id_with_their_newest_provider(stores: Stores, database: Database) -> None:
    """A generation that is withdrawn is not the newest any more."""
    for name in ("i3", "i1", "i2"):
        await receive(stores, installed(installation=InstallationId(name)))
    await receive(stores, uninstalled(at(1), InstallationId("i2")))
    first = await stores.provider_records.reserve(InstallationId("i1"))
    await stores.provider_records.mark_withdrawn(first.alias)
    await stores.provider_records.reserve(InstallationId("i1"))
    installations = SqlInstallationList(database)
    rows = await whole(lambda start: installations.page(InstallationFilter(), 2, start))
    assert [(row.installation, row.state, row.alias) for row in rows] == [
        ("i1", "active", "talkdesk-i1-2"),
        ("i2", "uninstalled", None),
        ("i3", "active", None),
    ]
    gone = await whole(lambda start: installations.page(InstallationFilter(state="uninstalled"), 1, start))
    assert [row.installation for row in gone] == ["i2"]


async def test_erased_credentials_are_not_kept(stores: Stores, database: Database) -> None:
    """Nor are the bodies in which they came."""
    await receive(stores, installed())
    installations = SqlInstallationList(database)
    before = await installations.find(INSTALLATION)
    await stores.installations.erase_credentials(INSTALLATION, at(1))
    after = await installations.find(INSTALLATION)
    assert before is not None
    assert after is not None
    assert (before.credentials_kept, after.credentials_kept) == (True, False)
    [event] = (await SqlEventList(database).page(EventFilter(), 2)).rows
    assert not event.body_kept


async def test_accounts_come_by_id(stores: Stores, database: Database) -> None:
    """With what is active there."""
    for account in ("a2", "a1", "a3"):
        await receive(stores, installed(installation=InstallationId(f"i-{account}"), account=AccountId(account)))
    await stores.accounts.user_id_source(AccountId("a2"), "id")
    accounts = SqlAccountList(database)
    rows = await whole(lambda start: accounts.page(2, start))
    assert [(row.account, row.active, row.user_id_source) for row in rows] == [
        ("a1", 1, None),
        ("a2", 1, "id"),
        ("a3", 1, None),
    ]
    assert [await accounts.find(row.account) for row in rows] == rows
    assert await accounts.find("a4") is None


async def test_failures_of_one_instant_come_each_once(stores: Stores, database: Database) -> None:
    """Whatever the size of a page."""
    for number in range(5):
        await stores.failures.save(Failure(f"r{number}", at(number // 3), Stage.LAUNCH, "x", "", None, None, None))
    failures = SqlFailureList(database)
    rows = await whole(lambda start: failures.page(FailureFilter(), 2, start))
    assert [row.reference for row in rows] == ["r4", "r3", "r2", "r1", "r0"]


async def test_tasks_are_found_by_event_and_installation(stores: Stores, database: Database) -> None:
    """Those that were asked for, and what to ask for again."""
    await receive(stores, installed(), [TaskKind.CONVERGE])
    await receive(stores, logged_out(), [TaskKind.SIGN_OUT])
    tasks = SqlTaskList(database)
    install, logout = sorted(row.number for row in (await SqlEventList(database).page(EventFilter(), 2)).rows)
    await stores.tasks.enqueue(Task(TaskKind.ANSWER, str(install)))
    assert [task.kind for task in await tasks.of_event(install)] == ["answer", "converge"]
    assert [task.kind for task in await tasks.of_event(logout)] == ["sign out"]
    assert {task.kind for task in await tasks.of_installation(INSTALLATION)} == {"answer", "converge", "sign out"}
    assert await tasks.following(install) == [Task(TaskKind.CONVERGE, INSTALLATION)]
    assert [task.kind for task in await tasks.following(logout)] == [TaskKind.SIGN_OUT]


async def test_the_backlog_is_counted(stores: Stores) -> None:
    """By kind and state; what is done is none."""
    for number in range(4):
        await stores.tasks.enqueue(Task(TaskKind.CONVERGE, f"i{number}"))
    await stores.tasks.enqueue(Task(TaskKind.CONVERGE, "later"), timedelta(hours=1))
    claims = await stores.tasks.claim("test", {TaskKind.CONVERGE: 3}, LEASE)
    await stores.tasks.finish(claims[0])
    await stores.tasks.give_up(claims[1], "refused")
    await stores.tasks.enqueue(Task(TaskKind.ANSWER, "1"), timedelta(seconds=-100))
    counts = {(each.kind, each.state): each for each in await stores.backlog.count()}
    assert {key: each.count for key, each in counts.items()} == {
        ("converge", "due"): 1,
        ("converge", "waiting"): 1,
        ("converge", "running"): 1,
        ("converge", "failed"): 1,
        ("answer", "due"): 1,
    }
    assert 100 <= counts["answer", "due"].oldest_s < 200
    assert counts["converge", "waiting"].oldest_s == 0


async def test_a_task_leads_to_its_event_once_that_had_its_effect(stores: Stores, database: Database) -> None:
    """An answer not before it was given; the later rounds of a sign-out, and a converge, lead nowhere."""
    await receive(stores, installed())
    await receive(stores, logged_out())
    install, _ = sorted(row.number for row in (await SqlEventList(database).page(EventFilter(), 2)).rows)
    answer = Task(TaskKind.ANSWER, str(install))
    assert await stores.origins.find(answer) is None
    await stores.events.mark_answered(str(install), "approve")
    assert await stores.origins.find(answer) == Origin("app.installed", NOW)
    assert await stores.origins.find(Task(TaskKind.SIGN_OUT, "1#1")) == Origin("user.logout", NOW)
    assert await stores.origins.find(Task(TaskKind.SIGN_OUT, "1#2")) is None
    assert await stores.origins.find(Task(TaskKind.CONVERGE, INSTALLATION)) is None
