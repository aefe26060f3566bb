"""Contract of `Events` and `Logouts`."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from broker.model.event import Event, EventKey, EventState
from broker.model.facts import Installed
from broker.model.names import AccountId, AppId, EventId, InstallationId
from broker.model.task import Task, TaskKind
from broker.ports import Receipt
from broker.storage.stores import Stores
from tests.contracts.stores import (
    ACCOUNT,
    APP,
    INSTALLATION,
    at,
    event_of,
    installed,
    logged_out,
    receive,
    uninstalled,
)

EVERY_KIND = dict.fromkeys(TaskKind, 10)
LEASE = timedelta(minutes=1)
UNREADABLE = Event(
    EventKey(EventId("event0"), APP, "app.installed", None), None, None, EventState.UNREADABLE, b"{not json"
)


async def tasks_due(stores: Stores) -> set[Task]:
    """Claim everything that is due."""
    return {claim.task for claim in await stores.tasks.claim("test", EVERY_KIND, LEASE)}


async def test_an_event_brings_its_facts_and_its_tasks(stores: Stores) -> None:
    """After one `receive` the installation is there, the event is owed an answer, and the task is due."""
    event = event_of(installed())
    assert await stores.events.receive(event, [installed()], [TaskKind.CONVERGE]) is Receipt.NEW
    found = await stores.installations.find(INSTALLATION)
    assert found is not None
    assert found.is_active
    assert [key for _, key in await stores.events.unanswered(INSTALLATION)] == [event.key]
    assert await tasks_due(stores) == {Task(TaskKind.CONVERGE, INSTALLATION)}


async def test_a_duplicate_changes_nothing(stores: Stores) -> None:
    """The second delivery adds no fact, no task and no second row, even if it says something else."""
    event = event_of(installed())
    await stores.events.receive(event, [installed()], [TaskKind.CONVERGE])
    [claim] = await stores.tasks.claim("test", EVERY_KIND, LEASE)
    assert await stores.events.receive(event, [uninstalled(at(1))], [TaskKind.CONVERGE]) is Receipt.DUPLICATE
    assert await stores.tasks.finish(claim)
    assert await tasks_due(stores) == set(), "a task that was asked for again would be due again"
    found = await stores.installations.find(INSTALLATION)
    assert found is not None
    assert found.is_active
    assert len(await stores.events.unanswered(INSTALLATION)) == 1


KEY = EventKey(EventId("e"), APP, "app.updated", INSTALLATION)


@pytest.mark.parametrize(
    "other",
    [
        replace(KEY, event=EventId("other")),
        replace(KEY, app=AppId("other")),
        replace(KEY, type="other"),
        replace(KEY, installation=InstallationId("other")),
        replace(KEY, installation=None),
    ],
)
async def test_each_part_of_the_key_tells_events_apart(stores: Stores, other: EventKey) -> None:
    """Events that differ in one part of the key are two events."""
    event = Event(KEY, ACCOUNT, at(0), EventState.NOT_YET_HANDLED, b"{}")
    await stores.events.receive(event, [], [])
    assert await stores.events.receive(replace(event, key=other), [], []) is Receipt.NEW


@pytest.mark.parametrize(
    "stranger",
    [installed(at(1), account=AccountId("account2")), installed(at(1), app=AppId("app2"))],
    ids=["account", "app"],
)
async def test_an_installation_never_changes_its_owner(stores: Stores, stranger: Installed) -> None:
    """An event of another account or app is refused, and nothing of it is kept."""
    await receive(stores, installed())
    before = await stores.installations.find(INSTALLATION)
    event = event_of(stranger)
    assert await stores.events.receive(event, [stranger], [TaskKind.CONVERGE]) is Receipt.OTHER_OWNER
    assert await stores.installations.find(INSTALLATION) == before
    assert await tasks_due(stores) == set()
    assert event.key not in [key for _, key in await stores.events.unanswered(INSTALLATION)]
    assert await stores.events.receive(event, [], []) is Receipt.NEW, "a row that was kept would make this a duplicate"


async def test_an_uninstall_that_comes_first_fixes_the_owner_too(stores: Stores) -> None:
    """Which fact came first does not matter to whose installation it is."""
    await receive(stores, uninstalled())
    assert await receive(stores, installed(account=AccountId("account2"))) is Receipt.OTHER_OWNER


async def test_an_event_without_facts_is_kept_alone(stores: Stores) -> None:
    """What could not be read is kept once, and claims no installation for anybody."""
    assert await stores.events.receive(UNREADABLE, [], []) is Receipt.NEW
    assert await stores.events.receive(UNREADABLE, [], []) is Receipt.DUPLICATE
    of_stranger = replace(event_of(installed()), account=AccountId("account2"), state=EventState.UNREADABLE)
    assert await stores.events.receive(of_stranger, [], []) is Receipt.NEW
    assert await stores.installations.find(INSTALLATION) is None
    assert await receive(stores, installed()) is Receipt.NEW
    assert len(await stores.events.unanswered(INSTALLATION)) == 1, "nothing is owed for what was not read"


async def test_receive_is_all_or_nothing(stores: Stores) -> None:
    """Where a task can't be made, the event is not kept either."""
    with pytest.raises(ValueError, match="nothing to converge"):
        await stores.events.receive(UNREADABLE, [], [TaskKind.CONVERGE])
    assert await stores.events.receive(UNREADABLE, [], []) is Receipt.NEW


async def test_a_fact_is_about_the_installation_of_its_event(stores: Stores) -> None:
    """A fact about another installation would go around the check of its owner."""
    with pytest.raises(ValueError, match="another installation"):
        await stores.events.receive(event_of(installed()), [installed(installation=InstallationId("other"))], [])


async def test_the_same_event_at_once_is_new_once(stores: Stores, other_stores: Stores) -> None:
    """Deliveries of one event to several processes at the same instant are one event."""
    event = event_of(installed())
    receipts = await asyncio.gather(
        *(each.events.receive(event, [installed()], []) for each in (stores, other_stores) * 5)
    )
    assert sorted(receipts) == [Receipt.DUPLICATE] * 9 + [Receipt.NEW]


async def test_two_owners_at_once_leave_one(stores: Stores, other_stores: Stores) -> None:
    """Of two accounts that claim an installation at the same instant one has it."""
    strange = installed(account=AccountId("account2"))
    receipts = await asyncio.gather(receive(stores, installed()), receive(other_stores, strange))
    assert sorted(receipts) == [Receipt.NEW, Receipt.OTHER_OWNER]


async def test_what_is_owed_an_answer_comes_oldest_first(stores: Stores) -> None:
    """Order is Talkdesk's time, not arrival; logouts are owed nothing, and what was answered is no more."""
    late, early, logout = event_of(uninstalled(at(5))), event_of(installed(at(1))), event_of(logged_out(at(3)))
    await stores.events.receive(late, [uninstalled(at(5))], [])
    await stores.events.receive(logout, [logged_out(at(3))], [])
    await stores.events.receive(early, [installed(at(1))], [])
    owed = await stores.events.unanswered(INSTALLATION)
    assert [key for _, key in owed] == [early.key, late.key]
    await stores.events.mark_answered(owed[0][0], "approve")
    assert await stores.events.unanswered(INSTALLATION) == owed[1:]


async def test_get_by_number_of_the_row(stores: Stores) -> None:
    """The number leads to key and time."""
    event = event_of(installed(at(7)))
    await stores.events.receive(event, [installed(at(7))], [TaskKind.ANSWER])
    [task] = await tasks_due(stores)
    assert task.kind is TaskKind.ANSWER
    assert await stores.events.get(task.key) == (event.key, at(7))


@pytest.mark.parametrize("number", ["999", "", "-1", "x", "1.0", "²"])
async def test_get_of_an_unknown_number_raises(stores: Stores, number: str) -> None:
    """No row, or no number at all: KeyError."""
    await receive(stores, installed())
    with pytest.raises(KeyError):
        await stores.events.get(number)


async def test_an_event_without_time_and_installation_comes_back_as_it_was(stores: Stores) -> None:
    """None stays None."""
    await stores.events.receive(UNREADABLE, [], [TaskKind.ANSWER])
    [task] = await tasks_due(stores)
    assert await stores.events.get(task.key) == (UNREADABLE.key, None)


async def test_a_logout_is_read_back_by_the_key_of_its_task(stores: Stores) -> None:
    """The task's key is the row's number and the first round; the address is kept in lower case."""
    await receive(stores, logged_out(at(1)))
    await receive(stores, logged_out(at(2), email="Ana@Acme.Example"), [TaskKind.SIGN_OUT])
    [task] = await tasks_due(stores)
    number, mark, round_ = task.key.partition("#")
    assert (task.kind, mark, round_) == (TaskKind.SIGN_OUT, "#", "1")
    assert (await stores.logouts.get(int(number))).logout == logged_out(at(2), email="ana@acme.example")


async def test_an_unknown_logout_raises(stores: Stores) -> None:
    """No row: KeyError."""
    with pytest.raises(KeyError):
        await stores.logouts.get(1)
