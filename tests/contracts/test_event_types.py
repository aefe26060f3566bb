"""Contracts of the stores for rotations, licences, trials, suspension and replay."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime, timedelta

from pydantic import SecretStr
from sqlalchemy import select

from broker.model.credentials import Credentials
from broker.model.event import Event, EventKey, EventState
from broker.model.facts import LicencesChanged, Rotated, TrialChanged, TrialStep
from broker.model.installation import Closure
from broker.model.names import AccountId, EventId, InstallationId, TalkdeskUserId
from broker.model.task import Task, TaskKind
from broker.ports import OneTimeKind, Receipt
from broker.storage import schema
from broker.storage.database import Database
from broker.storage.stores import Stores
from tests.contracts.stores import (
    ACCOUNT,
    APP,
    INSTALLATION,
    NOW,
    USER,
    at,
    installed,
    receive,
    sign_on,
    uninstalled,
)
from tests.contracts.test_events import UNREADABLE, tasks_due

BRUNO = TalkdeskUserId("bruno")


def credentials(name: str) -> Credentials:
    """A set of this client."""
    return Credentials(name, SecretStr(f"secret of {name}"), SecretStr(f"key of {name}"), f"key-{name}", "ES256")


def rotated(when: datetime, name: str = "client2") -> Rotated:
    """A rotation."""
    return Rotated(INSTALLATION, APP, ACCOUNT, credentials(name), when)


def licences(
    when: datetime, *, added: Collection[TalkdeskUserId] = (), removed: Collection[TalkdeskUserId] = ()
) -> LicencesChanged:
    """An update."""
    return LicencesChanged(INSTALLATION, APP, ACCOUNT, frozenset(added), frozenset(removed), when)


async def sets(stores: Stores) -> list[str]:
    """Client ids of the sets that are left, newest first."""
    found = await stores.installations.find(INSTALLATION)
    assert found is not None
    return [each.credentials.client_id for each in found.credential_sets]


async def in_use(stores: Stores) -> str | None:
    """Client id of the set in use."""
    found = await stores.installations.find(INSTALLATION)
    assert found is not None
    return found.credentials.client_id if found.credentials else None


async def is_removed(stores: Stores, user: TalkdeskUserId = USER) -> bool:
    """Whether the person is shut out."""
    found = await stores.installations.find(INSTALLATION)
    assert found is not None
    return await stores.installations.is_removed(found, user)


async def test_a_rotated_set_is_in_use_once_it_is_proven(stores: Stores) -> None:
    """And the other ones are still there."""
    await receive(stores, installed(at(0)))
    await receive(stores, rotated(at(1)))
    assert (await in_use(stores), await sets(stores)) == ("client1", ["client2", "client1"])
    await stores.installations.mark_proven(INSTALLATION, credentials("client2"), NOW)
    assert (await in_use(stores), await sets(stores)) == ("client2", ["client2", "client1"])


async def test_retired_sets_are_erased_with_the_bodies_that_held_them(stores: Stores, database: Database) -> None:
    """The others stay, whole."""
    for fact in (installed(at(0)), rotated(at(1)), rotated(at(2), "client3"), rotated(at(3), "client4")):
        await receive(stores, fact)
    found = await stores.installations.find(INSTALLATION)
    assert found is not None
    older = [each.credentials for each in found.credential_sets if each.created_at < at(2)]
    await stores.installations.retire_credentials(INSTALLATION, older)
    assert await sets(stores) == ["client4", "client3"]
    query = select(schema.event.c.body.is_(None)).order_by(schema.event.c.number)
    erased = await database.read(lambda connection: list(connection.scalars(query)))
    assert [bool(each) for each in erased] == [True, True, False, False]


async def test_an_uninstall_erases_rotated_sets_too(stores: Stores) -> None:
    """All that were created up to then."""
    await receive(stores, installed(at(0)))
    await receive(stores, rotated(at(1)))
    await receive(stores, uninstalled(at(2)))
    await stores.installations.erase_credentials(INSTALLATION, at(2))
    assert await sets(stores) == []


async def test_a_trial_comes_back_as_it_was(stores: Stores) -> None:
    """With its end and the policy of its time."""
    fact = TrialChanged(INSTALLATION, APP, ACCOUNT, TrialStep.EXPIRED, at(9), at(1), suspends=True)
    await receive(stores, installed(at(0)))
    await receive(stores, fact)
    found = await stores.installations.find(INSTALLATION)
    assert found is not None
    assert (found.trial, found.closure, found.changed_at) == (fact, Closure.TRIAL_EXPIRED, at(1))
    assert await stores.installations.active_apps(ACCOUNT) == []


async def test_the_operators_word_asks_for_a_converge(stores: Stores) -> None:
    """Suspended twice, since the first time; resumed, open; of an unknown installation, nothing."""
    await receive(stores, installed(at(0)))
    assert await stores.installations.suspend(INSTALLATION, at(5))
    assert await tasks_due(stores) == {Task(TaskKind.CONVERGE, INSTALLATION)}
    assert await stores.installations.suspend(INSTALLATION, at(6))
    found = await stores.installations.find(INSTALLATION)
    assert found is not None
    assert (found.closure, found.changed_at) == (Closure.SUSPENDED, at(5))
    assert await stores.installations.active_apps(ACCOUNT) == []
    assert await stores.installations.resume(INSTALLATION, at(7))
    found = await stores.installations.find(INSTALLATION)
    assert found is not None
    assert found.is_active
    assert not await stores.installations.suspend(InstallationId("unknown"), at(5))
    assert not await stores.installations.resume(InstallationId("unknown"), at(5))


async def test_suspect_is_marked_once_and_cleared(stores: Stores) -> None:
    """The first time counts; it closes nothing."""
    await receive(stores, installed(at(0)))
    for second in (1, 2):
        await stores.installations.mark_suspect(INSTALLATION, at(second))
    found = await stores.installations.find(INSTALLATION)
    assert found is not None
    assert (found.suspect_since, found.is_active) == (at(1), True)
    await stores.installations.clear_suspect(INSTALLATION)
    found = await stores.installations.find(INSTALLATION)
    assert found is not None
    assert found.suspect_since is None


async def test_a_removed_person_is_signed_out_and_shut_out(stores: Stores) -> None:
    """One sign-out each, up to the receipt; the others may stay."""
    await receive(stores, installed(at(-100)))
    await receive(stores, licences(at(-60), added=[BRUNO], removed=[USER]), [TaskKind.SIGN_OUT])
    assert await is_removed(stores)
    assert not await is_removed(stores, BRUNO)
    [task] = await tasks_due(stores)
    assert task.kind is TaskKind.SIGN_OUT
    logout = (await stores.logouts.get(int(task.key.partition("#")[0]))).logout
    assert (logout.user, logout.created_at) == (USER, NOW), "the event came late: what began since ends too"


async def test_a_removal_that_is_overtaken_ends_only_what_began_before_it(stores: Stores) -> None:
    """Added again since, in whatever order that came."""
    await receive(stores, installed(at(-100)))
    await receive(stores, licences(at(-30), added=[USER]))
    await receive(stores, licences(at(-60), removed=[USER]), [TaskKind.SIGN_OUT])
    assert not await is_removed(stores)
    [task] = await tasks_due(stores)
    assert (await stores.logouts.get(int(task.key.partition("#")[0]))).logout.created_at == at(-60)
    assert await stores.sign_ons.save(sign_on(at(-20)))


async def test_nobody_signs_on_after_a_removal_with_what_began_before(stores: Stores) -> None:
    """A sign-on on its way is refused when it is to be kept."""
    await receive(stores, installed(at(-100)))
    await receive(stores, licences(at(-60), removed=[USER]))
    assert not await stores.sign_ons.save(sign_on(at(-1)))
    assert await stores.sign_ons.save(sign_on(at(-1), BRUNO))


async def test_who_is_on_both_lists_is_removed(stores: Stores) -> None:
    """Of one event."""
    await receive(stores, installed(at(0)))
    await receive(stores, licences(at(1), added=[USER], removed=[USER]))
    assert await is_removed(stores)


async def test_a_new_life_forgets_removals(stores: Stores) -> None:
    """Installed anew, everybody of the account may use it."""
    await receive(stores, installed(at(0)))
    await receive(stores, licences(at(1), removed=[USER]))
    await receive(stores, uninstalled(at(2)))
    await receive(stores, installed(at(3)))
    assert not await is_removed(stores)


async def test_sign_outs_of_an_event_are_done_when_each_first_round_is(stores: Stores) -> None:
    """Those of other events don't count."""
    await receive(stores, licences(at(0), removed=[BRUNO]), [TaskKind.SIGN_OUT])
    await receive(stores, licences(at(1), removed=[USER, BRUNO]), [TaskKind.SIGN_OUT, TaskKind.ANSWER])
    [answer] = await stores.tasks.claim("t", {TaskKind.ANSWER: 9}, timedelta(minutes=1))
    number = answer.task.key
    claims = await stores.tasks.claim("t", {TaskKind.SIGN_OUT: 9}, timedelta(minutes=1))
    assert len(claims) == 3
    for claim in sorted(claims, key=lambda each: int(each.task.key.partition("#")[0]))[1:]:
        assert not await stores.logouts.are_done(number)
        await stores.tasks.finish(claim)
    assert await stores.logouts.are_done(number)


async def test_values_of_a_holder_are_open_until_they_are_used_or_expire(stores: Stores) -> None:
    """Of this kind and holder."""
    values, kind = stores.one_time_values, OneTimeKind.TALKDESK
    await values.save(kind, "a", {}, at(10), holder="h")
    await values.save(OneTimeKind.CODE, "b", {}, at(10), holder="other kind")
    assert await values.has_open(kind, "h", at(9))
    assert not await values.has_open(kind, "h", at(10))
    assert not await values.has_open(kind, "other", NOW)
    assert not await values.has_open(kind, "other kind", NOW)
    await values.consume(kind, "a", NOW)
    assert not await values.has_open(kind, "h", NOW)


async def test_an_event_comes_back_whole(stores: Stores) -> None:
    """With its body, as it was received."""
    await stores.events.receive(UNREADABLE, [], [])
    assert await stores.events.get_whole("1") == UNREADABLE


async def test_a_replayed_event_is_as_if_it_had_come_now(stores: Stores) -> None:
    """Under its own number, with key, facts and tasks of today; its body opens as before; it is replayed once."""
    await stores.events.receive(UNREADABLE, [], [])
    key = EventKey(EventId("real"), APP, "app.installed", INSTALLATION)
    read = Event(key, ACCOUNT, at(1), EventState.TAKEN, UNREADABLE.body)
    assert await stores.events.replay("1", read, [installed(at(1))], [TaskKind.CONVERGE]) is Receipt.NEW
    assert await stores.events.get_whole("1") == read
    assert await tasks_due(stores) == {Task(TaskKind.CONVERGE, INSTALLATION)}
    assert await stores.events.unanswered(INSTALLATION) == [("1", key)]
    assert await stores.events.replay("1", read, [installed(at(1))], []) is Receipt.DUPLICATE
    assert await stores.events.receive(read, [installed(at(1))], []) is Receipt.DUPLICATE


async def test_a_replay_keeps_the_owner_and_is_all_or_nothing(stores: Stores) -> None:
    """An installation of another account is refused, and the event stays as it was."""
    await receive(stores, installed())
    await stores.events.receive(UNREADABLE, [], [])
    strange = installed(account=AccountId("account2"))
    key = EventKey(EventId("real"), APP, "app.installed", INSTALLATION)
    read = Event(key, AccountId("account2"), at(1), EventState.TAKEN, UNREADABLE.body)
    assert await stores.events.replay("2", read, [strange], []) is Receipt.OTHER_OWNER
    assert await stores.events.get_whole("2") == UNREADABLE


async def test_an_alarming_task_is_claimed_like_one_that_waits(stores: Stores, database: Database) -> None:
    """Visible as alarming until then; anew, its attempts count from the beginning."""
    task = Task(TaskKind.ANSWER, "1")
    await stores.tasks.enqueue(task)
    [claim] = await stores.tasks.claim("t", {TaskKind.ANSWER: 1}, timedelta(minutes=1))
    assert await stores.tasks.postpone(claim, timedelta(), "refused", is_alarming=True)
    query = select(schema.task.c.state)
    assert await database.read(lambda connection: connection.scalar(query)) == "alarming"
    assert await stores.tasks.next_due() == timedelta()
    [claim] = await stores.tasks.claim("t", {TaskKind.ANSWER: 1}, timedelta(minutes=1))
    assert claim.attempts == 1
    assert await stores.tasks.postpone(claim, timedelta(), None, is_anew=True)
    assert await database.read(lambda connection: connection.scalar(query)) == "waiting"
    [again] = await stores.tasks.claim("t", {TaskKind.ANSWER: 1}, timedelta(minutes=1))
    assert replace(again, lease=0).attempts == 0
