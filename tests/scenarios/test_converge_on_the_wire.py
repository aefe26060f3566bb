"""Converge against a Keycloak on the wire: what is sent, and what happens when Keycloak fails in the middle of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from broker.model.names import InstallationId, alias_of, slug_of
from broker.outbound import http_client
from broker.realm.connection import RealmConnection
from broker.realm.identity_providers import KeycloakIdentityProviders
from tests.fakes.keycloak import BrokerClients, KeycloakImitation
from tests.scenarios.converging import World, open_world

pytestmark = pytest.mark.thorough

INSTALLATION = InstallationId("4400ebd85fa04322abf5b64de93dc913")
ALIAS = alias_of(slug_of(INSTALLATION), 1)
INSTANCES = "/admin/realms/talkdesk/identity-provider/instances"

CREATE, CREATE_MAPPER, REPLACE = (
    ("POST", INSTANCES),
    ("POST", f"{INSTANCES}/{ALIAS}/mappers"),
    ("PUT", f"{INSTANCES}/{ALIAS}"),
)


@pytest.fixture
async def keycloak() -> AsyncIterator[KeycloakImitation]:
    """The imitation."""
    async with KeycloakImitation(BrokerClients()) as keycloak:
        yield keycloak


@pytest.fixture
async def world(tmp_path: Path, keycloak: KeycloakImitation) -> AsyncIterator[World]:
    """A new broker that uses it."""
    secret = BrokerClients().broker_secret
    async with http_client() as client:
        connection = RealmConnection(keycloak.url, "talkdesk", "talkdesk-broker", secret, client)
        world = await open_world(tmp_path / "broker.sqlite3", KeycloakIdentityProviders(connection))
        yield world
        await world.database.close()


def writes(keycloak: KeycloakImitation) -> list[tuple[str, str]]:
    """Method and path of what was meant to change the realm."""
    return [(request.method, request.path) for request in keycloak.writes()]


def is_complete(keycloak: KeycloakImitation) -> bool:
    """Whether there is exactly one identity provider, enabled, with its mapper."""
    [provider] = keycloak.identity_providers.values()
    [mapper] = provider.mappers.values()
    return provider.alias == ALIAS and provider.is_enabled and "brokerSettingUp" not in provider.config and bool(mapper)


async def test_an_install_is_three_writes(world: World, keycloak: KeycloakImitation) -> None:
    """And one token."""
    await world.install(INSTALLATION)

    assert await world.work() == []

    assert writes(keycloak) == [CREATE, CREATE_MAPPER, REPLACE]
    assert is_complete(keycloak)
    assert [request.path.rpartition("/")[2] for request in keycloak.requests].count("token") == 1


async def test_a_second_delivery_is_no_write(world: World, keycloak: KeycloakImitation) -> None:
    """Neither what Keycloak adds to a representation nor the order of its keys is a difference."""
    await world.install(INSTALLATION)
    await world.work()
    first = len(keycloak.requests)

    assert await world.converge_again(INSTALLATION) == []

    assert [request.method for request in keycloak.requests[first:]] == ["GET", "GET"]


@pytest.mark.parametrize("has_effect", [False, True])
@pytest.mark.parametrize("request_to_lose", [CREATE, CREATE_MAPPER, REPLACE])
async def test_a_lost_answer_is_made_good(
    world: World, keycloak: KeycloakImitation, request_to_lose: tuple[str, str], has_effect: bool
) -> None:
    """Nobody knows whether Keycloak did it; the next try finds out."""
    method, path = request_to_lose
    keycloak.drop(path, method=method, after_work=has_effect)
    await world.install(INSTALLATION)
    [error] = await world.work()
    assert error.status is None
    assert world.talkdesk.told == []

    assert await world.converge_again(INSTALLATION) == []

    assert is_complete(keycloak)
    assert world.talkdesk.told == [("approve", INSTALLATION)]


async def test_a_keycloak_that_is_away_is_waited_for(world: World, keycloak: KeycloakImitation) -> None:
    """Not a word to Talkdesk until it is back, and nothing is given up."""
    await keycloak.down()
    await world.install(INSTALLATION)
    [error] = await world.work()
    assert not error.is_final

    await keycloak.up()
    assert await world.converge_again(INSTALLATION) == []

    assert is_complete(keycloak)
    assert world.talkdesk.told == [("approve", INSTALLATION)]


@pytest.mark.parametrize("status", [400, 403, 500, 503])
async def test_a_keycloak_that_refuses_is_asked_again(world: World, keycloak: KeycloakImitation, status: int) -> None:
    """A role or a flow that is missing is mended by an administrator; the install is not rejected meanwhile."""
    keycloak.fail(INSTANCES, status)
    await world.install(INSTALLATION)
    [error] = await world.work()
    assert (error.status, error.is_final) == (status, False)

    assert await world.converge_again(INSTALLATION) == []

    assert is_complete(keycloak)
    assert world.talkdesk.told == [("approve", INSTALLATION)]


async def test_one_that_is_there_is_not_taken_for_deleted_when_keycloak_stumbles(
    world: World, keycloak: KeycloakImitation
) -> None:
    """An error is not a "not found": the alias is not given up."""
    await world.install(INSTALLATION)
    await world.work()
    keycloak.fail(f"{INSTANCES}/{ALIAS}", 503)

    [error] = await world.converge_again(INSTALLATION)

    assert error.status == 503
    assert await world.converge_again(INSTALLATION) == []
    assert is_complete(keycloak)


async def test_an_uninstall_is_one_delete(world: World, keycloak: KeycloakImitation) -> None:
    """And a lost answer to it is made good."""
    await world.install(INSTALLATION)
    await world.work()
    first = len(keycloak.writes())
    keycloak.drop(f"{INSTANCES}/{ALIAS}", method="DELETE", after_work=True)
    await world.uninstall(INSTALLATION, at=1)

    [error] = await world.work()
    assert error.status is None
    assert await world.converge_again(INSTALLATION) == []

    assert keycloak.identity_providers == {}
    assert writes(keycloak)[first:] == [("DELETE", f"{INSTANCES}/{ALIAS}")]
