"""Converge: the realm becomes what the facts say, whoever else works in it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from broker.converge.desired import OWNER_KEY, SETTING_UP_KEY, desired_mapper
from broker.converge.merge import writable
from broker.model.identity_provider import ProviderState
from broker.model.names import Alias, InstallationId, alias_of, slug_of
from broker.ports import Json
from broker.realm.in_memory import InMemoryIdentityProviders
from tests.scenarios.converging import STRANGER, Crash, World, complete, open_world, state_of, steps_of_an_install

INSTALLATION = InstallationId("4400ebd85fa04322abf5b64de93dc913")
FIRST, SECOND = (alias_of(slug_of(INSTALLATION), generation) for generation in (1, 2))


@pytest.fixture
def realm() -> InMemoryIdentityProviders:
    """The realm, as Keycloak's administrator sees it."""
    return InMemoryIdentityProviders()


@pytest.fixture
async def world(tmp_path: Path, realm: InMemoryIdentityProviders) -> AsyncIterator[World]:
    """A new broker in front of it."""
    world = await open_world(tmp_path / "broker.sqlite3", realm)
    yield world
    await world.database.close()


async def edit(realm: InMemoryIdentityProviders, alias: Alias, *, config: Json | None = None, **fields: object) -> None:
    """What an administrator changes in the console; None takes a key of `config` out."""
    found = await realm.find(alias)
    assert found is not None
    changed = {name: value for name, value in (found["config"] | (config or {})).items() if value is not None}
    await realm.replace(writable(found) | fields | {"config": changed})
    realm.writes.clear()


async def test_an_install_makes_an_identity_provider_and_is_approved(
    world: World, realm: InMemoryIdentityProviders
) -> None:
    """Created disabled, given its mapper, enabled, and only then approved."""
    await world.install(INSTALLATION)

    assert await world.work() == []

    assert realm.writes == [f"create {FIRST}", f"create mapper of {FIRST}", f"replace {FIRST}"]
    await complete(world, INSTALLATION, 1)
    assert await state_of(world, INSTALLATION) == (1, ProviderState.LIVE)
    assert world.talkdesk.told == [("approve", INSTALLATION)]
    assert world.steps.taken.index("mark_live") < world.steps.taken.index("approve")


async def test_nobody_can_use_it_before_it_is_complete(world: World, realm: InMemoryIdentityProviders) -> None:
    """Until the mapper is there it is disabled and says that it is being set up."""
    steps = await steps_of_an_install(world)
    await world.install(INSTALLATION)
    world.steps.start(steps.index("create_mapper"))

    with pytest.raises(Crash):
        await world.work()

    found = await realm.find(FIRST)
    assert found is not None
    assert found["enabled"] is False
    assert found["config"][SETTING_UP_KEY] == "true"


async def test_a_second_converge_writes_nothing(world: World, realm: InMemoryIdentityProviders) -> None:
    """Neither to Keycloak nor to Talkdesk."""
    await world.install(INSTALLATION)
    await world.work()
    realm.writes.clear()

    assert await world.converge_again(INSTALLATION) == []

    assert realm.writes == []
    assert world.talkdesk.told == [("approve", INSTALLATION)]


async def test_a_disabled_one_stays_disabled(world: World, realm: InMemoryIdentityProviders) -> None:
    """It is the administrator's word, and no reason to write."""
    await world.install(INSTALLATION)
    await world.work()
    await edit(realm, FIRST, enabled=False)

    await world.converge_again(INSTALLATION)

    found = await realm.find(FIRST)
    assert found is not None
    assert found["enabled"] is False
    assert realm.writes == []


async def test_what_somebody_changed_of_ours_is_repaired_in_one_write(
    world: World, realm: InMemoryIdentityProviders
) -> None:
    """And what he changed of his stays."""
    await world.install(INSTALLATION)
    await world.work()
    config = {"validateSignature": "false", "guiOrder": "7"}
    await edit(realm, FIRST, config=config, firstBrokerLoginFlowAlias="first broker login", displayName="Ours")

    await world.converge_again(INSTALLATION)

    found = await realm.find(FIRST)
    assert found is not None
    assert (found["config"]["validateSignature"], found["config"]["guiOrder"]) == ("true", "7")
    assert (found["firstBrokerLoginFlowAlias"], found["displayName"]) == ("talkdesk first login", "Ours")
    assert realm.writes == [f"replace {FIRST}"]


async def test_a_changed_mapper_is_repaired(world: World, realm: InMemoryIdentityProviders) -> None:
    """Without its notes no app would know who it is; mappers of somebody else's stay."""
    await world.install(INSTALLATION)
    await world.work()
    [mapper] = await realm.mappers(FIRST)
    await realm.replace_mapper(FIRST, mapper | {"config": mapper["config"] | {"claims": "[]"}})
    await realm.create_mapper(FIRST, {"name": "theirs", "config": {}})
    realm.writes.clear()

    await world.converge_again(INSTALLATION)

    repaired, theirs = await realm.mappers(FIRST)
    assert repaired == desired_mapper(FIRST) | {"id": mapper["id"]}
    assert theirs["name"] == "theirs"
    assert realm.writes == [f"replace mapper of {FIRST}"]


async def test_one_deleted_in_the_console_comes_back_under_a_new_alias(
    world: World, realm: InMemoryIdentityProviders
) -> None:
    """A used alias would break everybody who had signed on twice; issuer and client id stay, so they are the same users."""
    await world.install(INSTALLATION)
    await world.work()
    before = await complete(world, INSTALLATION, 1)
    await realm.delete(FIRST)

    await world.converge_again(INSTALLATION)

    after = await complete(world, INSTALLATION, 2)
    assert await realm.find(FIRST) is None
    assert await state_of(world, INSTALLATION) == (2, ProviderState.LIVE)
    assert after["config"] == before["config"]


@pytest.mark.parametrize("owner", [None, "another-broker"])
async def test_what_is_not_ours_is_left_alone(
    world: World, realm: InMemoryIdentityProviders, owner: str | None
) -> None:
    """Whoever made it, and however it is named: the next alias is taken."""
    theirs = {"alias": FIRST, "providerId": "oidc", "config": {OWNER_KEY: owner or "", "issuer": "x"}}
    await realm.create(theirs)
    before = await realm.find(FIRST)

    await world.install(INSTALLATION)
    await world.work()

    assert await realm.find(FIRST) == before
    await complete(world, INSTALLATION, 2)
    assert await state_of(world, INSTALLATION) == (2, ProviderState.LIVE)
    assert world.talkdesk.told == [("approve", INSTALLATION)]


async def test_one_that_lost_our_mark_is_not_ours_any_more(world: World, realm: InMemoryIdentityProviders) -> None:
    """Somebody took it over: it stays as it is, also when the app is uninstalled."""
    await world.install(INSTALLATION)
    await world.work()
    await edit(realm, FIRST, config={OWNER_KEY: None})
    taken = await realm.find(FIRST)

    await world.converge_again(INSTALLATION)
    await complete(world, INSTALLATION, 2)
    await world.uninstall(INSTALLATION, at=1)
    await world.work()

    assert await realm.find(FIRST) == taken
    assert await realm.find(SECOND) is None


async def test_a_realm_full_of_other_peoples_names_is_an_error_and_goes_on(
    world: World, realm: InMemoryIdentityProviders
) -> None:
    """No endless loop in one task; the next try goes on where this one stopped."""
    for generation in range(1, 31):
        await realm.create({"alias": alias_of(slug_of(INSTALLATION), generation), "config": {}})

    await world.install(INSTALLATION)
    [error] = await world.work()

    assert not error.is_final
    assert await world.converge_again(INSTALLATION) == []
    assert await state_of(world, INSTALLATION) == (31, ProviderState.LIVE)


async def test_an_uninstall_ends_sessions_then_deletes_then_is_acknowledged(
    world: World, realm: InMemoryIdentityProviders
) -> None:
    """Credentials go last, for the acknowledgement needs them."""
    await world.install(INSTALLATION)
    await world.work()
    await world.uninstall(INSTALLATION, at=1)
    world.steps.taken.clear()
    realm.writes.clear()

    assert await world.work() == []

    wanted = ["end_sessions", "delete", "mark_withdrawn", "approve", "erase_credentials", "mark_answered"]
    assert [step for step in world.steps.taken if step in wanted] == wanted
    assert realm.writes == [f"delete {FIRST}"]
    state = await world.stores.installations.find(INSTALLATION)
    assert state is not None
    assert state.credentials is None


async def test_a_disabled_one_is_enabled_to_end_its_sessions(world: World, realm: InMemoryIdentityProviders) -> None:
    """Disabled, it answers 500 to every logout token, and nobody would ever be signed out."""
    await world.install(INSTALLATION)
    await world.work()
    await edit(realm, FIRST, enabled=False)
    await world.uninstall(INSTALLATION, at=1)
    world.steps.taken.clear()

    await world.work()

    order = [step for step in world.steps.taken if step in ("replace", "end_sessions", "delete")]
    assert order == ["replace", "end_sessions", "delete"]


async def test_a_repeated_uninstall_writes_nothing(world: World, realm: InMemoryIdentityProviders) -> None:
    """Gone is gone."""
    await world.install(INSTALLATION)
    await world.uninstall(INSTALLATION, at=1)
    await world.work()
    realm.writes.clear()

    assert await world.converge_again(INSTALLATION) == []

    assert realm.writes == []


async def test_an_uninstall_of_what_was_never_installed_makes_nothing(
    world: World, realm: InMemoryIdentityProviders
) -> None:
    """Its install may still come, late, and opens nothing."""
    await world.uninstall(INSTALLATION, at=1)
    assert await world.work() == []

    await world.install(INSTALLATION, at=0)
    assert await world.work() == []

    assert realm.writes == []
    assert world.talkdesk.told == []


async def test_installed_anew_it_gets_the_next_alias(world: World, realm: InMemoryIdentityProviders) -> None:
    """The old one was used."""
    await world.install(INSTALLATION)
    await world.work()
    await world.uninstall(INSTALLATION, at=1)
    await world.work()
    await world.install(INSTALLATION, at=2)

    assert await world.work() == []

    await complete(world, INSTALLATION, 2)
    assert await realm.find(FIRST) is None
    assert world.talkdesk.told == [("approve", INSTALLATION)] * 3


async def test_an_account_that_is_not_listed_gets_nothing(world: World, realm: InMemoryIdentityProviders) -> None:
    """Its install is rejected, and the realm never hears of it."""
    await world.install(INSTALLATION, account=STRANGER)

    assert await world.work() == []

    assert realm.writes == []
    assert world.talkdesk.told == [("reject", INSTALLATION)]
