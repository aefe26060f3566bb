"""Contracts of what a reconcile keeps and reads: `Turns`, `Repairs`, `KnownProviders`, and tasks many at a time."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from broker.model.identity_provider import CONTESTED_FOR, MOST_REPAIRS, ProviderState
from broker.model.names import Alias, InstallationId
from broker.model.task import LastTry, TaskKind
from broker.storage.stores import Stores
from tests.contracts.stores import INSTALLATION, NOW, at, installed, logged_out, receive, uninstalled
from tests.waiting import eventually

LEASE = timedelta(seconds=60)
ALIAS = Alias("talkdesk-installation1")


async def test_a_turn_is_had_by_one_at_a_time(stores: Stores, other_stores: Stores) -> None:
    """Of several at the same instant one gets it; given back, the next one does."""
    both = (stores.turns, other_stores.turns)
    asked = [both[number % 2].take("a", f"owner{number}", LEASE) for number in range(6)]
    taken = await asyncio.gather(*asked)
    assert sum(taken) == 1
    owner = f"owner{taken.index(True)}"
    assert await stores.turns.take("another", "owner", LEASE)
    await stores.turns.give_back("a", "somebody else", is_done=True)
    assert not await stores.turns.take("a", "late", LEASE)
    await stores.turns.give_back("a", owner, is_done=False)
    assert await stores.turns.take("a", "late", LEASE)


async def test_a_turn_whose_lease_ran_out_is_somebody_elses(stores: Stores) -> None:
    """As after a kill; the former owner can neither keep it nor end it."""
    assert await stores.turns.take("a", "killed", timedelta(milliseconds=1))
    await eventually(lambda: stores.turns.take("a", "next", LEASE), what="the lease has run out")
    assert not await stores.turns.renew("a", "killed", LEASE)
    await stores.turns.give_back("a", "killed", is_done=True)
    assert not await stores.turns.take("a", "third", LEASE)
    assert await stores.turns.renew("a", "next", LEASE)


async def test_a_turn_that_is_done_does_not_come_again_before_its_time(stores: Stores) -> None:
    """One that was broken off does; and who does not care when the last one was gets it at once."""
    assert await stores.turns.take("a", "one", LEASE, every=timedelta(hours=1))
    await stores.turns.give_back("a", "one", is_done=False)
    assert await stores.turns.take("a", "two", LEASE, every=timedelta(hours=1))
    await stores.turns.give_back("a", "two", is_done=True)
    assert not await stores.turns.take("a", "three", LEASE, every=timedelta(hours=1))
    assert await stores.turns.take("a", "four", LEASE)


async def test_what_was_repaired_too_often_of_late_is_contested(stores: Stores) -> None:
    """Field by field, alias by alias, for an hour."""
    for number in range(MOST_REPAIRS):
        assert not await stores.repairs.contested([ALIAS], at(number))
        await stores.repairs.note(ALIAS, ["config.issuer"], at(number))
    await stores.repairs.note(ALIAS, ["linkOnly"], NOW)
    await stores.repairs.note(Alias("talkdesk-other"), ["config.issuer"], NOW)
    found = await stores.repairs.contested([ALIAS, Alias("talkdesk-other")], at(10))
    assert found == {ALIAS: frozenset({"config.issuer"})}
    assert not await stores.repairs.contested([ALIAS], NOW + CONTESTED_FOR)


async def test_old_repairs_are_forgotten(stores: Stores) -> None:
    """Nothing of them is left."""
    await stores.repairs.note(ALIAS, ["a", "b"], NOW)
    await stores.repairs.note(ALIAS, ["a"], at(1))
    assert await stores.repairs.forget(at(1)) == 2
    assert await stores.repairs.forget(at(2)) == 1


async def test_people_are_called_once_an_hour(stores: Stores) -> None:
    """With a task for the installation; for an alias that is not ours there is nobody to call."""
    await stores.provider_records.reserve(INSTALLATION)
    assert await stores.repairs.call_for_people(ALIAS, NOW)
    assert not await stores.repairs.call_for_people(ALIAS, at(1))
    [claim] = await stores.tasks.claim("worker", {TaskKind.ALERT_CONTESTED: 5}, LEASE)
    assert claim.task.key == INSTALLATION
    assert await stores.repairs.call_for_people(ALIAS, NOW + CONTESTED_FOR)
    assert not await stores.repairs.call_for_people(Alias("theirs"), NOW)


async def test_installations_are_known_with_their_newest_alias(stores: Stores) -> None:
    """By alias also the former ones; page by page each installation once, also one of which only a sign-out was heard."""
    gone, new = InstallationId("gone"), InstallationId("new")
    await receive(stores, installed(installation=gone))
    await receive(stores, uninstalled(at(1), gone))
    await receive(stores, installed(installation=new))
    await receive(stores, logged_out())
    first = await stores.provider_records.reserve(new)
    await stores.provider_records.mark_withdrawn(first.alias)
    second = await stores.provider_records.reserve(new)

    by_alias = await stores.known_providers.by_alias([first.alias, second.alias, Alias("talkdesk-unknown")])

    assert {alias: known.is_newest for alias, known in by_alias.items()} == {first.alias: False, second.alias: True}
    assert by_alias[first.alias].record == replace(first, state=ProviderState.WITHDRAWN)
    assert await stores.known_providers.count() == 3
    page = await stores.known_providers.page(2)
    rest = await stores.known_providers.page(2, page[-1][0])
    assert [*page, *rest] == [(gone, None), (INSTALLATION, None), (new, second.alias)]
    assert await stores.known_providers.page(2, rest[-1][0]) == []
    known = await stores.known_providers.newest([gone, INSTALLATION, new])
    assert list(known) == [gone, INSTALLATION, new]
    ended, unknown, active = (known[each].installation for each in (gone, INSTALLATION, new))
    assert ended is not None
    assert not ended.is_installed
    assert unknown is None
    assert active is not None
    assert active.credentials is None
    assert known[new].record == second
    assert known[gone].record is None


async def test_many_tasks_are_asked_for_and_watched(stores: Stores) -> None:
    """What is done is not unfinished; what failed or waits says why, until it is asked for anew."""
    keys = [f"{number:03d}" for number in range(450)]
    await stores.tasks.enqueue_all(TaskKind.CONVERGE, keys)
    assert await stores.tasks.unfinished(TaskKind.CONVERGE, keys[:300]) == dict.fromkeys(keys[:300])
    assert await stores.tasks.unfinished(TaskKind.CHECK, keys) == {}
    done, failed, waits = await stores.tasks.claim("worker", {TaskKind.CONVERGE: 3}, LEASE)
    await stores.tasks.finish(done)
    await stores.tasks.postpone(failed, LEASE, "no answer")
    await stores.tasks.postpone(waits, timedelta(), "in a moment", is_anew=True)
    three = [done.task.key, failed.task.key, waits.task.key]
    last = {
        failed.task.key: LastTry("no answer", is_failure=True),
        waits.task.key: LastTry("in a moment", is_failure=False),
    }
    assert await stores.tasks.unfinished(TaskKind.CONVERGE, three) == last
    await stores.tasks.claim("worker", {TaskKind.CONVERGE: len(keys)}, LEASE)
    assert await stores.tasks.unfinished(TaskKind.CONVERGE, three) == last
    await stores.tasks.enqueue_all(TaskKind.CONVERGE, three)
    assert await stores.tasks.unfinished(TaskKind.CONVERGE, three) == dict.fromkeys(three)
