"""A real Keycloak keeps the contract of `IdentityProviders`, and takes what the broker makes of an installation."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from broker.converge.merge import writable
from broker.model.names import InstallationId, alias_of, slug_of
from broker.outbound import http_client
from broker.ports import IdentityProviders
from broker.realm.connection import RealmConnection
from broker.realm.identity_providers import KeycloakIdentityProviders
from tests.acceptance.keycloak_server import RunningKeycloak
from tests.contracts.identity_providers import IdentityProvidersContract
from tests.scenarios.converging import World, open_world


@pytest.fixture
def seen() -> list[str]:
    """Method of each request of the admin API, in order."""
    return []


@pytest.fixture
async def providers(keycloak: RunningKeycloak, seen: list[str]) -> AsyncIterator[IdentityProviders]:
    """The adapter, with the service account and its one role."""

    async def note(request: httpx.Request) -> None:
        if request.url.path.startswith("/admin/"):
            seen.append(request.method)

    async with http_client() as client:
        client.event_hooks["request"].append(note)
        connection = RealmConnection(keycloak.url, "talkdesk", "talkdesk-broker", keycloak.broker_secret, client)
        yield KeycloakIdentityProviders(connection)


@pytest.fixture
async def world(tmp_path: Path, providers: IdentityProviders) -> AsyncIterator[World]:
    """A new broker that uses it."""
    world = await open_world(tmp_path / "broker.sqlite3", providers)
    yield world
    await world.database.close()


@pytest.fixture
def installation() -> InstallationId:
    """One that nobody has used."""
    return InstallationId(uuid.uuid4().hex)


class TestKeycloak(IdentityProvidersContract):
    """The real one."""


async def test_an_installation_comes_stays_and_goes(
    world: World, seen: list[str], installation: InstallationId
) -> None:
    """Three writes to make it, none to converge it again, one to take it away."""
    await world.install(installation)
    assert await world.work() == []
    assert [method for method in seen if method != "GET"] == ["POST", "POST", "PUT"]
    seen.clear()

    assert await world.converge_again(installation) == []
    assert seen == ["GET", "GET"]
    seen.clear()

    await world.uninstall(installation, at=1)
    assert await world.work() == []
    assert [method for method in seen if method != "GET"] == ["DELETE"]
    assert await world.providers.find(alias_of(slug_of(installation), 1)) is None


async def test_what_the_administrator_does_in_the_console_is_respected(
    world: World, installation: InstallationId
) -> None:
    """His fields stay, ours are repaired, and one that he deleted comes back under a new alias."""
    first, second = (alias_of(slug_of(installation), generation) for generation in (1, 2))
    await world.install(installation)
    await world.work()
    found = await world.providers.find(first)
    assert found is not None
    found["config"] |= {"guiOrder": "7", "validateSignature": "false"}
    await world.providers.replace(writable(found) | {"enabled": False, "displayName": "Ours"})

    assert await world.converge_again(installation) == []

    found = await world.providers.find(first)
    assert found is not None
    assert (found["enabled"], found["displayName"], found["config"]["guiOrder"]) == (False, "Ours", "7")
    assert found["config"]["validateSignature"] == "true"

    await world.providers.delete(first)
    assert await world.converge_again(installation) == []

    assert await world.providers.find(first) is None
    assert await world.providers.find(second) is not None
    await world.providers.delete(second)


async def test_a_name_of_any_kind_is_taken(world: World, installation: InstallationId) -> None:
    """A customer may call himself what he likes: over 255 characters Keycloak would answer 500."""
    await world.install(installation, name="🎧\u202e\u0000<script>" * 60)

    assert await world.work() == []

    assert await world.providers.find(alias_of(slug_of(installation), 1)) is not None
    await world.providers.delete(alias_of(slug_of(installation), 1))
