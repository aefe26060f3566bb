"""Reconcile: what is found of each kind, what is done about it, and what is left alone."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from broker.converge.findings import Finding, FindingKind, Judge
from broker.converge.merge import setting_up
from broker.converge.reconcile import Plan, Reconcile
from broker.converge.turn import NAME, TurnLost, reconcile_in_turn, turn
from broker.errors import KeycloakError
from broker.model.identity_provider import CONTESTED_FOR, ProviderState
from broker.model.names import Alias, InstallationId, alias_of, slug_of
from broker.model.task import TaskKind
from broker.ports import Json
from broker.realm.in_memory import InMemoryIdentityProviders
from tests.scenarios.converging import STRANGER, World, complete, open_world, state_of
from tests.scenarios.test_converge import edit
from tests.waiting import eventually

pytestmark = pytest.mark.thorough

ONE, TWO, THREE = (InstallationId(name) for name in ("one", "two", "three"))
LEASE = timedelta(seconds=60)


def alias(installation: InstallationId, generation: int = 1) -> Alias:
    """Of this generation."""
    return alias_of(slug_of(installation), generation)


@pytest.fixture
def realm() -> InMemoryIdentityProviders:
    """The realm, as Keycloak's administrator sees it."""
    return InMemoryIdentityProviders()


@pytest.fixture
async def world(tmp_path: Path, realm: InMemoryIdentityProviders) -> AsyncIterator[World]:
    """A broker with three installations that are set up, and a realm that also has somebody else's."""
    world = await open_world(tmp_path / "broker.sqlite3", realm)
    await realm.create({"alias": "talkdesk-theirs", "providerId": "oidc", "config": {"issuer": "x"}})
    await realm.create({"alias": "corporate", "providerId": "saml", "config": {}})
    for installation in (ONE, TWO, THREE):
        await world.install(installation)
    await world.work()
    realm.writes.clear()
    yield world
    await world.database.close()


@pytest.fixture
def reconcile(world: World) -> Reconcile:
    """Of this world."""
    converge = world.converge
    judge = Judge(converge.deployment, converge.app_names, converge.is_welcome)
    known, repairs, tasks = world.stores.known_providers, world.stores.repairs, world.stores.tasks
    return Reconcile(world.providers, known, repairs, tasks, judge, lambda: world.clock[0])


async def carry_out(world: World, reconcile: Reconcile, *, is_full: bool = False) -> Plan:
    """What was found, after it was mended; afterwards nothing is left that a converge could mend."""
    plan = await reconcile.plan(is_full=is_full)
    await reconcile.ask_for_repairs(plan)
    assert await world.work() == []
    assert not (await reconcile.plan(is_full=is_full)).to_converge
    return plan


def kinds(plan: Plan) -> list[tuple[FindingKind, str | None]]:
    """What was found where."""
    return [(each.kind, each.alias) for each in plan.findings]


async def test_where_all_is_well_nothing_is_found_and_nothing_written(
    world: World, realm: InMemoryIdentityProviders, reconcile: Reconcile
) -> None:
    """What is not ours is not even counted."""
    plan = await carry_out(world, reconcile, is_full=True)

    assert (plan.findings, plan.providers, plan.installations) == ([], 3, 3)
    assert realm.writes == []


async def test_what_was_deleted_in_the_console_comes_back_under_a_new_alias(
    world: World, realm: InMemoryIdentityProviders, reconcile: Reconcile
) -> None:
    """And only that is written."""
    await realm.delete(alias(TWO))
    realm.writes.clear()

    plan = await carry_out(world, reconcile)

    assert plan.findings == [Finding(FindingKind.MISSING, alias(TWO), TWO, "live")]
    await complete(world, TWO, 2)
    again = alias(TWO, 2)
    assert realm.writes == [f"create {again}", f"create mapper of {again}", f"replace {again}"]


async def test_what_was_never_made_is_made(
    world: World, realm: InMemoryIdentityProviders, reconcile: Reconcile
) -> None:
    """As where its task was lost."""
    new = InstallationId("new")
    await world.install(new)
    [claim] = await world.stores.tasks.claim("lost", {TaskKind.CONVERGE: 1}, LEASE)
    await world.stores.tasks.finish(claim)

    plan = await carry_out(world, reconcile)

    assert plan.findings == [Finding(FindingKind.MISSING, None, new, "never made")]
    await complete(world, new, 1)


async def test_what_was_broken_off_is_completed(
    world: World, realm: InMemoryIdentityProviders, reconcile: Reconcile
) -> None:
    """Still marked as being set up."""
    new = InstallationId("new")
    await world.install(new)
    state = await world.stores.installations.find(new)
    assert state is not None
    record = await world.stores.provider_records.reserve(new)
    await realm.create(setting_up(reconcile.judge.desired(state, record.alias)))

    assert kinds(await carry_out(world, reconcile)) == [(FindingKind.UNFINISHED, record.alias)]

    await complete(world, new, 1)


async def test_our_fields_get_their_values_back_and_the_administrators_stay(
    world: World, realm: InMemoryIdentityProviders, reconcile: Reconcile
) -> None:
    """Disabled is reported, and stays; name and second factor are not even that."""
    theirs = {
        "enabled": False,
        "displayName": "Ours",
        "postBrokerLoginFlowAlias": "second factor",
        "hideOnLogin": False,
    }
    await edit(realm, alias(ONE), config={"validateSignature": "false", "guiOrder": "7"}, linkOnly=True, **theirs)

    plan = await carry_out(world, reconcile)

    changed = "config.validateSignature, linkOnly"
    assert plan.findings == [
        Finding(FindingKind.CHANGED, alias(ONE), ONE, changed),
        Finding(FindingKind.DISABLED, alias(ONE), ONE),
    ]
    found = await realm.find(alias(ONE))
    assert found is not None
    assert {name: found[name] for name in theirs} == theirs
    assert (found["linkOnly"], found["config"]["validateSignature"], found["config"]["guiOrder"]) == (
        False,
        "true",
        "7",
    )
    assert realm.writes == [f"replace {alias(ONE)}"]


async def test_mappers_are_looked_at_only_when_asked(
    world: World, realm: InMemoryIdentityProviders, reconcile: Reconcile
) -> None:
    """Each costs a request; then a lost and a changed one come back."""
    for installation in (ONE, TWO):
        [mapper] = await realm.mappers(alias(installation))
        await realm.replace_mapper(alias(installation), mapper | {"config": {}})
    realm._mappers[alias(ONE)].clear()
    realm.writes.clear()
    assert (await reconcile.plan()).findings == []

    plan = await carry_out(world, reconcile, is_full=True)

    assert [(each.kind, each.alias, each.detail) for each in plan.findings] == [
        (FindingKind.CHANGED, alias(ONE), "mapper"),
        (FindingKind.CHANGED, alias(TWO), "mapper"),
    ]
    assert realm.writes == [f"create mapper of {alias(ONE)}", f"replace mapper of {alias(TWO)}"]


async def test_what_is_left_over_of_an_uninstall_goes(
    world: World, realm: InMemoryIdentityProviders, reconcile: Reconcile
) -> None:
    """As where somebody brought it back in the console."""
    left_over = await realm.find(alias(ONE))
    assert left_over is not None
    await world.uninstall(ONE, at=1)
    await world.work()
    await realm.create(left_over)

    assert kinds(await carry_out(world, reconcile)) == [(FindingKind.LEFT_OVER, alias(ONE))]

    assert await realm.find(alias(ONE)) is None


async def test_what_somebody_took_over_is_left_and_another_one_made(
    world: World, realm: InMemoryIdentityProviders, reconcile: Reconcile
) -> None:
    """Without our mark it is not ours, whatever it is called."""
    await edit(realm, alias(ONE), config={"brokerInstance": "another"})
    taken = await realm.find(alias(ONE))

    assert kinds(await carry_out(world, reconcile)) == [(FindingKind.TAKEN_OVER, alias(ONE))]

    assert await realm.find(alias(ONE)) == taken
    await complete(world, ONE, 2)


async def test_an_account_that_is_not_listed_any_more_is_reported(
    world: World, realm: InMemoryIdentityProviders, reconcile: Reconcile
) -> None:
    """Its issuer lets nobody in; what becomes of it is a person's decision."""
    stranger = InstallationId("stranger")
    await world.install(stranger, account=STRANGER)
    await world.work()
    state = await world.stores.installations.find(stranger)
    assert state is not None
    record = await world.stores.provider_records.reserve(stranger)
    await world.stores.provider_records.mark_live(record.alias)
    await realm.create(reconcile.judge.desired(state, record.alias))
    realm.writes.clear()

    assert kinds(await carry_out(world, reconcile)) == [(FindingKind.NOT_WELCOME, record.alias)]

    assert realm.writes == []


@pytest.fixture
async def orphans(world: World, realm: InMemoryIdentityProviders, reconcile: Reconcile) -> list[Alias]:
    """An identity provider of ours whose installation this database never heard of, and a former generation that came back."""
    state = await world.stores.installations.find(ONE)
    assert state is not None
    lost = Alias("talkdesk-lost")
    await realm.create(reconcile.judge.desired(state, lost))
    former = await realm.find(alias(TWO))
    assert former is not None
    await realm.delete(alias(TWO))
    await world.converge_again(TWO)
    await realm.create(former)
    realm.writes.clear()
    return [lost, alias(TWO)]


async def test_orphans_are_reported_and_stay(
    world: World, realm: InMemoryIdentityProviders, reconcile: Reconcile, orphans: list[Alias]
) -> None:
    """Nothing is deleted by inference."""
    plan = await carry_out(world, reconcile)

    assert kinds(plan) == [(FindingKind.ORPHAN, each) for each in orphans]
    assert list(plan.orphans) == orphans
    assert realm.writes == []


async def test_only_what_still_is_an_orphan_is_deleted(
    world: World, realm: InMemoryIdentityProviders, reconcile: Reconcile, orphans: list[Alias]
) -> None:
    """Neither what somebody took over since, nor what has an installation, nor anybody else's."""
    lost, former = orphans
    await edit(realm, former, config={"brokerInstance": None})

    deleted = [await reconcile.delete_orphan(each) for each in (lost, former, alias(ONE), Alias("talkdesk-theirs"))]

    assert deleted == [True, False, False, False]
    assert realm.writes == [f"delete {lost}"]
    assert not await reconcile.delete_orphan(lost)


async def test_who_fights_over_a_field_wins_for_an_hour(
    world: World, realm: InMemoryIdentityProviders, reconcile: Reconcile
) -> None:
    """After three rewrites we stop and call for people; other fields are repaired all the same."""
    for _ in range(2):
        await edit(realm, alias(ONE), config={"issuer": "theirs"})
        await carry_out(world, reconcile)
        found = await realm.find(alias(ONE))
        assert found is not None
        assert found["config"]["issuer"].endswith("/oidc/one")
    await edit(realm, alias(ONE), config={"issuer": "theirs"}, linkOnly=True)

    plan = await reconcile.plan()
    await world.converge_again(ONE)

    assert [(each.kind, each.detail) for each in plan.findings] == [
        (FindingKind.CHANGED, "linkOnly"),
        (FindingKind.CONTESTED, "config.issuer"),
    ]
    found = await realm.find(alias(ONE))
    assert found is not None
    assert (found["config"]["issuer"], found["linkOnly"]) == ("theirs", False)
    [alert] = await world.stores.tasks.claim("worker", {TaskKind.ALERT_CONTESTED: 5}, LEASE)
    assert alert.task.key == ONE

    world.clock[0] += CONTESTED_FOR
    await carry_out(world, reconcile)
    await complete(world, ONE, 1)


async def test_who_fights_over_the_mapper_wins_for_an_hour_too(
    world: World, realm: InMemoryIdentityProviders, reconcile: Reconcile
) -> None:
    """It counts as one field."""
    for _ in range(2):
        realm._mappers[alias(ONE)].clear()
        await carry_out(world, reconcile, is_full=True)
    realm._mappers[alias(ONE)].clear()

    assert kinds(await carry_out(world, reconcile, is_full=True)) == [(FindingKind.CONTESTED, alias(ONE))]

    assert await realm.mappers(alias(ONE)) == []


async def test_what_slips_through_between_two_pages_is_not_missing(
    world: World, realm: InMemoryIdentityProviders, reconcile: Reconcile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One before it is deleted while we read: the next page begins one too late. It is asked for by name."""
    monkeypatch.setattr("broker.converge.reconcile.PAGE", 1)
    pages = realm.page

    async def page(first: int, size: int) -> list[Json]:
        found = await pages(first, size)
        if first == 0:
            await realm.delete(Alias("talkdesk-theirs"))
            await realm.create({"alias": "talkdesk-aaa", "config": {}})
        return list(found) if first != 1 else []

    monkeypatch.setattr(realm, "page", page)

    plan = await reconcile.plan()

    assert plan.findings == []
    assert plan.installations == 3


async def test_the_plan_is_what_is_then_carried_out(
    world: World, realm: InMemoryIdentityProviders, reconcile: Reconcile
) -> None:
    """Not what happened since."""
    await realm.delete(alias(ONE))
    plan = await reconcile.plan()
    await edit(realm, alias(TWO), config={"issuer": "theirs"})

    await reconcile.ask_for_repairs(plan)
    await world.work()

    assert plan.to_converge == [ONE]
    assert await state_of(world, ONE) == (2, ProviderState.LIVE)
    found = await realm.find(alias(TWO))
    assert found is not None
    assert found["config"]["issuer"] == "theirs"


async def test_a_realm_that_does_not_answer_ends_it_with_nothing_done(
    world: World, realm: InMemoryIdentityProviders, reconcile: Reconcile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What can't be read is not missing; the turn is free again at once."""

    async def page(first: int, size: int) -> list[Json]:
        raise KeycloakError("no answer")

    monkeypatch.setattr(realm, "page", page)

    with pytest.raises(KeycloakError):
        await reconcile_in_turn(reconcile, world.stores.turns, "me", LEASE, timedelta(hours=24))

    assert await world.stores.tasks.claim("worker", {TaskKind.CONVERGE: 5}, LEASE) == []
    assert await world.stores.turns.take(NAME, "next", LEASE, every=timedelta(hours=24))


async def test_one_process_at_a_time_and_once_a_day(
    world: World, realm: InMemoryIdentityProviders, reconcile: Reconcile
) -> None:
    """Of several that want to, one does, and for a day nobody does again."""
    await realm.delete(alias(ONE))
    day = timedelta(hours=24)

    plans = await asyncio.gather(
        *(reconcile_in_turn(reconcile, world.stores.turns, f"p{n}", LEASE, day) for n in range(4))
    )

    [plan] = [each for each in plans if each is not None]
    assert plan.to_converge == [ONE]
    assert await reconcile_in_turn(reconcile, world.stores.turns, "late", LEASE, day) is None


async def test_who_lost_its_turn_stops(world: World, reconcile: Reconcile) -> None:
    """As a process that stood still for a while: somebody else is at it by now, and that one's turn is left alone."""
    turns = world.stores.turns
    async with turn(turns, "slow", LEASE) as ours:
        assert ours is not None
        await turns.renew(NAME, "slow", timedelta(milliseconds=1))
        await eventually(lambda: turns.take(NAME, "next", LEASE), what="the lease has run out")
        await ours.keep(turns, "slow", timedelta(milliseconds=1))

        with pytest.raises(TurnLost):
            await reconcile.plan(step=ours.go_on)

    assert not await turns.take(NAME, "third", LEASE)
