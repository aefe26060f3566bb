"""`broker reconcile`, in front of an imitated Keycloak, without a running service."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from broker.model.names import InstallationId
from broker.model.task import TaskKind
from broker.storage.stores import Stores
from tests.cli.conftest import Commands
from tests.contracts.stores import APP, at, installed, receive, sign_on, uninstalled
from tests.fakes.keycloak import KeycloakImitation
from tests.fakes.keycloak.model import Provider

pytestmark = pytest.mark.thorough

ONE, TWO = InstallationId("one"), InstallationId("two")


@pytest.fixture
async def keycloak(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, commands: Commands
) -> AsyncIterator[KeycloakImitation]:
    """A realm, and the settings that lead to it."""
    config = tmp_path / "broker.toml"
    config.write_text(f'[[apps]]\nid = "{APP}"\nname = "Wallboard"\nstart_url = "https://wallboard.example"\n')
    async with KeycloakImitation() as keycloak:
        for name, value in {
            "PUBLIC_URL": "http://127.0.0.1:1",
            "KEYCLOAK_URL": keycloak.url,
            "KEYCLOAK_CLIENT_SECRET": "secret-of-broker",
            "KEYCLOAK_LAUNCH_CLIENT_SECRET": "secret-of-launch",
            "CONFIG_FILE": str(config),
        }.items():
            monkeypatch.setenv(f"BROKER_{name}", value)
        yield keycloak


@pytest.fixture
async def made(stores: Stores, commands: Commands, keycloak: KeycloakImitation) -> None:
    """Two installations that are set up, by the command itself."""
    for installation in (ONE, TWO):
        await receive(stores, installed(installation=installation))
    await commands.run("reconcile")
    assert set(keycloak.identity_providers) == {"talkdesk-one", "talkdesk-two"}


@pytest.mark.usefixtures("made")
async def test_a_dry_run_prints_what_the_run_then_does(commands: Commands, keycloak: KeycloakImitation) -> None:
    """And writes nothing itself; afterwards there is nothing to be done."""
    keycloak.delete_provider("talkdesk-one")
    keycloak.identity_providers["talkdesk-two"].config["validateSignature"] = "false"
    keycloak.identity_providers["talkdesk-two"].sent["enabled"] = False
    writes = len(keycloak.writes())

    planned = await commands.objects("reconcile", "--dry-run")
    assert len(keycloak.writes()) == writes
    done = await commands.objects("reconcile")

    same = ("finding", "alias", "installation", "detail")
    assert [[each[name] for name in same] for each in planned] == [[each[name] for name in same] for each in done]
    assert [(each["finding"], each["alias"], each["what"]) for each in done] == [
        ("changed", "talkdesk-two", "repaired"),
        ("disabled", "talkdesk-two", "reported only"),
        ("missing", "talkdesk-one", "made under a new alias"),
    ]
    assert [each["what"] for each in planned] == ["to be repaired", "reported only", "to be made under a new alias"]
    assert set(keycloak.identity_providers) == {"talkdesk-one-2", "talkdesk-two"}
    assert [each["finding"] for each in await commands.objects("reconcile")] == ["disabled"]


@pytest.mark.usefixtures("made")
async def test_where_all_is_well_it_says_so(commands: Commands) -> None:
    """In words for people."""
    output = await commands.run("reconcile", "--full")
    assert "2 identity providers and 2 installations were looked at: everything is as it should be." in output


@pytest.fixture
def orphans(made: None, keycloak: KeycloakImitation) -> list[str]:
    """Three identity providers with our mark that belong to nobody."""
    aliases = [f"talkdesk-orphan{number}" for number in range(3)]
    for alias in aliases:
        keycloak.add_provider(Provider({**keycloak.identity_providers["talkdesk-one"].sent, "alias": alias}))
    return aliases


async def test_orphans_stay_until_somebody_says_yes(
    commands: Commands, keycloak: KeycloakImitation, orphans: list[str]
) -> None:
    """Asked for by an option, and then once more; the rest is as it was."""
    assert [each["what"] for each in await commands.objects("reconcile")] == ["reported only"] * 3
    refused = await commands.run("reconcile", "--delete-orphans", exit_code=1, answer="n\n")
    assert all(alias in refused for alias in orphans)
    assert set(orphans) < set(keycloak.identity_providers)

    output = await commands.run("reconcile", "--delete-orphans", answer="y\n")

    assert output.count("deleted") >= 3
    assert set(keycloak.identity_providers) == {"talkdesk-one", "talkdesk-two"}


async def test_too_many_orphans_are_a_sign_that_something_else_is_wrong(
    commands: Commands, keycloak: KeycloakImitation, orphans: list[str]
) -> None:
    """None is deleted, also with --yes, until the cap is raised."""
    output = await commands.run("reconcile", "--delete-orphans", "--at-most", "2", "--yes", exit_code=1)
    assert "There are 3 orphans" in output
    assert set(orphans) < set(keycloak.identity_providers)

    await commands.run("reconcile", "--delete-orphans", "--at-most", "3", "--yes", "--json")

    assert not set(orphans) & set(keycloak.identity_providers)


@pytest.mark.usefixtures("made")
async def test_what_could_not_be_done_is_said_and_comes_again(
    commands: Commands, keycloak: KeycloakImitation, stores: Stores
) -> None:
    """Exit code 1; its task waits for the running service."""
    keycloak.identity_providers["talkdesk-two"].config["issuer"] = "theirs"
    keycloak.fail("/admin/realms/talkdesk/identity-provider/instances/talkdesk-two", 500, times=100, method="PUT")

    [row] = await commands.objects("reconcile", exit_code=1)

    assert row["what"].startswith("failed, comes again:")
    assert "500" in str(await stores.tasks.unfinished(TaskKind.CONVERGE, [TWO]))


@pytest.mark.usefixtures("made")
async def test_what_only_waits_has_not_failed(commands: Commands, stores: Stores) -> None:
    """Exit code 0: another sign-out tells Keycloak of the same session just now, and the identity provider goes after it."""
    leaving = replace(sign_on(), installation=TWO)
    await stores.sign_ons.save(leaving)
    await receive(stores, uninstalled(at(60), TWO))
    await stores.sign_ons.take([leaving.id], None, timedelta(minutes=1))

    [row] = await commands.objects("reconcile")

    assert (row["finding"], row["alias"]) == ("left over", "talkdesk-two")
    assert row["what"] == "waiting: another sign-out tells Keycloak of the same sessions"
    assert "waiting: another sign-out" in await commands.run("reconcile")
    assert {each["outcome"] for each in await commands.objects("audit", "list")} == {"done"}


@pytest.mark.usefixtures("made")
async def test_what_it_changes_is_on_record(commands: Commands, keycloak: KeycloakImitation) -> None:
    """How many installations, and each identity provider that is deleted; also that something failed. Looking is not in it."""
    before = len(await commands.objects("audit", "list"))
    await commands.run("reconcile")
    await commands.run("reconcile", "--dry-run")
    assert len(await commands.objects("audit", "list")) == before
    keycloak.delete_provider("talkdesk-one")
    orphan = {**keycloak.identity_providers["talkdesk-two"].sent, "alias": "talkdesk-three"}
    keycloak.add_provider(Provider(orphan))
    await commands.run("reconcile", "--delete-orphans", "--yes")
    keycloak.identity_providers["talkdesk-two"].config["issuer"] = "theirs"
    keycloak.fail("/admin/realms/talkdesk/identity-provider/instances/talkdesk-two", 500, times=100, method="PUT")
    await commands.run("reconcile", exit_code=1)

    failed, done, *_ = await commands.objects("audit", "list")

    assert (done["command"], done["about"], done["outcome"]) == (
        "reconcile",
        "1 installation, orphan talkdesk-three",
        "done",
    )
    assert (failed["command"], failed["about"], failed["outcome"]) == ("reconcile", "1 installation", "failed")


@pytest.mark.usefixtures("made")
async def test_a_realm_that_refuses_is_an_error_and_nothing_is_asked_for(
    commands: Commands, keycloak: KeycloakImitation, stores: Stores
) -> None:
    """What can't be read is not missing."""
    keycloak.fail("/admin/realms/talkdesk/identity-provider/instances", 403, times=5)
    assert "403" in await commands.run("reconcile", exit_code=1)
    assert await stores.tasks.unfinished(TaskKind.CONVERGE, [ONE, TWO]) == {}
