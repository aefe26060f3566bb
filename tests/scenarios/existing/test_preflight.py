"""`broker accounts preflight`: who would get in, before anybody clicks. The acceptance tests run the same words on a real Keycloak."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from typer.testing import CliRunner

from broker.cli import app
from demo.talkdesk import ACME, ANA, BRUNO, GLOBEX
from tests.company import Company, config
from tests.scenarios.existing.test_existing_users import subs_at, with_address
from tests.world import World

Command = Callable[..., Awaitable[str]]


@pytest.fixture
def preflight(world: World, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command beside the running broker, with its settings; gives all that it printed."""
    settings, folder = world.broker.settings, world.broker.folder
    apps = "".join(
        f'[[apps]]\nid = "{each.id}"\nname = "A"\nstart_url = "{each.start_url}"\n' for each in world.broker.config.apps
    )
    (folder / "broker.toml").write_text(apps + config())
    given = {
        "PUBLIC_URL": settings.public_url,
        "KEYCLOAK_URL": settings.keycloak_url,
        "KEYCLOAK_REALM": settings.keycloak_realm,
        "KEYCLOAK_CLIENT_SECRET": settings.keycloak_client_secret.get_secret_value(),
        "KEYCLOAK_LAUNCH_CLIENT_SECRET": settings.keycloak_launch_client_secret.get_secret_value(),
        "USERS": "existing",
        "ACCOUNTS": "listed",
        "TALKDESK_INSECURE": "1",
        "TALKDESK_GATEWAYS": "127.0.0.1",
        "TALKDESK_HOSTS": "127.0.0.1",
        "DATA_DIR": str(folder),
        "CONFIG_FILE": str(folder / "broker.toml"),
    }
    for name, value in given.items():
        monkeypatch.setenv(f"BROKER_{name}", value)

    async def run(*arguments: str, exit_code: int = 0) -> str:
        result = await asyncio.to_thread(CliRunner().invoke, app, ["accounts", "preflight", *arguments])
        assert result.exit_code == exit_code, result.output
        return result.output

    return run


async def outcomes(preflight: Command) -> dict[str, tuple[Any, Any]]:
    """Talkdesk user to Keycloak user and reason."""
    printed = await preflight(ACME.id, "--json")
    rows = json.loads(printed[printed.index("[\n") :] if "[\n" in printed else printed)
    return {row["user"]: (row["matches"], row["reason"]) for row in rows}


async def test_it_says_who_would_get_in_and_so_it_is(world: World, company: Company, preflight: Command) -> None:
    """And nothing comes of having asked: no link, no user."""
    ana = await company.add_user("a.sousa", ANA.email)
    installation = await world.install(ACME)
    assert await outcomes(preflight) == {ANA.id: ("a.sousa", None), BRUNO.id: (None, "user_not_found")}
    assert await company.links_of(ana) == {}
    assert await company.usernames() == ["a.sousa"]
    await world.launch(world.browser(ANA), installation, ANA)
    assert subs_at(world) == [ana]
    told = await preflight(ACME.id)
    assert "1 of 2 would get in." in told
    assert "1 × user_not_found: There is no account here for your Talkdesk user." in told


async def test_two_people_with_one_address_are_rivals(world: World, company: Company, preflight: Command) -> None:
    """The first click would win; whoever comes second would get the page."""
    await company.add_user("a.sousa", ANA.email)
    with_address(world, BRUNO, ANA.email)
    await world.install(world.talkdesk.state.accounts["acme"])
    assert await outcomes(preflight) == dict.fromkeys((ANA.id, BRUNO.id), ("a.sousa", "user_linked_elsewhere"))


async def test_without_an_installation_or_a_listed_account_there_is_nobody_to_ask_for(
    world: World, preflight: Command
) -> None:
    """Each with what is missing."""
    assert "No app is installed in the account" in await preflight(GLOBEX.id, exit_code=1)
    assert "is not in the configuration" in await preflight("5e8d60283cc24683a9520000", exit_code=2)
