"""`broker installations` and `broker accounts`."""

from datetime import timedelta

import pytest

from broker.model.names import AccountId, AppId, InstallationId
from broker.model.task import TaskKind
from broker.storage.stores import Stores
from tests.cli.conftest import Commands
from tests.contracts.stores import INSTALLATION, at, installed, logged_out, receive, uninstalled

pytestmark = pytest.mark.thorough

LEASE = timedelta(seconds=60)
FIELDS = {
    "installation", "app", "account", "account_name", "state", "changed_at", "alias", "identity_provider", "credentials_kept", "suspect_since",
}  # fmt: skip


async def install_three(stores: Stores) -> None:
    """An active one, one that is gone, and one of which only a sign-out was heard."""
    await receive(stores, installed(installation=InstallationId("i1")))
    await receive(stores, installed(installation=InstallationId("i2")))
    await receive(stores, uninstalled(at(1), InstallationId("i2")))
    await receive(stores, logged_out())


async def test_installations_are_listed_as_their_facts_fold(stores: Stores, commands: Commands) -> None:
    """By id, with stable names."""
    await install_three(stores)
    record = await stores.provider_records.reserve(InstallationId("i1"))
    await stores.provider_records.mark_live(record.alias)
    listed = await commands.objects("installations", "list")
    assert [(each["installation"], each["state"], each["identity_provider"]) for each in listed] == [
        ("i1", "active", "live"),
        ("i2", "uninstalled", None),
        (INSTALLATION, "only heard of", None),
    ]
    assert {frozenset(each) for each in listed} == {frozenset(FIELDS)}
    assert listed[0]["alias"] == "talkdesk-i1"
    assert "talkdesk-i1" in await commands.run("installations", "list")


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (("--state", "active"), ["i1", "i3"]),
        (("--account", "account2"), ["i3"]),
        (("--app", "app2"), ["i3"]),
        (("--limit", "1"), ["i1"]),
        (("--state", "uninstalled", "--limit", "1"), ["i2"]),
    ],
)
async def test_installations_are_filtered(
    stores: Stores, commands: Commands, options: tuple[str, ...], ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where a page has nothing of what is wanted: the next one is read."""
    monkeypatch.setattr("broker.cli.output.walk.__defaults__", (1,))
    await install_three(stores)
    await receive(stores, installed(at(0), InstallationId("i3"), AppId("app2"), AccountId("account2")))
    listed = await commands.objects("installations", "list", *options)
    assert [each["installation"] for each in listed] == ids


async def test_one_installation_is_shown_with_providers_and_tasks(stores: Stores, commands: Commands) -> None:
    """Whether credentials are kept, and nothing of them."""
    await receive(stores, installed(), (TaskKind.CONVERGE,))
    record = await stores.provider_records.reserve(INSTALLATION)
    await stores.provider_records.mark_live(record.alias)
    [found] = await commands.objects("installations", "show", INSTALLATION)
    assert set(found) == FIELDS | {"identity_providers", "tasks"}
    assert found["credentials_kept"] is True
    assert [each["alias"] for each in found["identity_providers"]] == ["talkdesk-installation1"]
    assert [each["kind"] for each in found["tasks"]] == ["converge"]
    assert "credentials kept" in await commands.run("installations", "show", INSTALLATION)


async def test_an_installation_of_which_nothing_was_heard_ends_with_1(stores: Stores, commands: Commands) -> None:
    """For each command that takes an id."""
    for command in ("show", "suspend", "resume", "forget"):
        assert "Nothing was ever heard" in await commands.run("installations", command, "x", exit_code=1)


async def test_an_active_installation_is_not_forgotten_by_mistake(stores: Stores, commands: Commands) -> None:
    """Not even by one who says yes to everything."""
    await receive(stores, installed())
    assert "is active" in await commands.run("installations", "forget", INSTALLATION, "--yes", exit_code=1)
    found = await stores.installations.find(INSTALLATION)
    assert found is not None
    assert found.credentials is not None


async def test_who_says_no_forgets_nothing(stores: Stores, commands: Commands) -> None:
    """Nor who says nothing at all."""
    await receive(stores, installed())
    await receive(stores, uninstalled(at(1)))
    for answer in ("n\n", ""):
        await commands.run("installations", "forget", INSTALLATION, exit_code=1, answer=answer)
    found = await stores.installations.find(INSTALLATION)
    assert found is not None
    assert found.credentials is not None
    assert await stores.tasks.next_due() is None


async def test_forgetting_erases_credentials_and_asks_for_a_converge(stores: Stores, commands: Commands) -> None:
    """The tombstone stays: what comes late opens nothing."""
    await receive(stores, installed())
    await receive(stores, uninstalled(at(1)))
    await commands.run("installations", "forget", INSTALLATION, answer="y\n")
    [found] = await commands.objects("installations", "show", INSTALLATION)
    assert (found["state"], found["credentials_kept"]) == ("uninstalled", False)
    assert not any(event["body_kept"] for event in await commands.objects("events", "list"))
    [claim] = await stores.tasks.claim("test", {TaskKind.CONVERGE: 1}, LEASE)
    assert claim.task.key == INSTALLATION
    await receive(stores, installed(at(0.5)))
    late = await stores.installations.find(INSTALLATION)
    assert late is not None
    assert not late.is_active


async def test_an_uninstall_that_was_lost_is_stated_by_the_operator(stores: Stores, commands: Commands) -> None:
    """It is an event like any other, but nobody is owed an answer for it."""
    await receive(stores, installed())
    await commands.run("installations", "forget", INSTALLATION, "--uninstall-was-lost", "--yes")
    [event, _] = await commands.objects("events", "list")
    assert event["type"] == "operator.forgot"
    found = await stores.installations.find(INSTALLATION)
    assert found is not None
    assert (found.is_active, found.credentials) == (False, None)
    assert [claim.task.key for claim in await stores.tasks.claim("t", {TaskKind.CONVERGE: 1}, LEASE)] == [INSTALLATION]


async def test_a_suspended_installation_is_closed_until_it_is_resumed(stores: Stores, commands: Commands) -> None:
    """Both ask for a converge."""
    await receive(stores, installed())
    await commands.run("installations", "suspend", INSTALLATION, exit_code=1, answer="n\n")
    assert [each["state"] for each in await commands.objects("installations", "list")] == ["active"]
    await commands.run("installations", "suspend", INSTALLATION, answer="y\n")
    assert [each["state"] for each in await commands.objects("installations", "list")] == ["suspended"]
    assert len(await commands.objects("installations", "list", "--state", "suspended")) == 1
    assert len(await stores.tasks.claim("test", {TaskKind.CONVERGE: 1}, LEASE)) == 1
    assert "is suspended" in await commands.run("installations", "forget", INSTALLATION, "--yes", exit_code=1)
    await commands.run("installations", "resume", INSTALLATION)
    found = await stores.installations.find(INSTALLATION)
    assert found is not None
    assert found.is_active


async def test_a_suspect_installation_is_seen(stores: Stores, commands: Commands) -> None:
    """Its uninstall may have been lost; nothing is concluded from it."""
    await receive(stores, installed(installation=InstallationId("i1")))
    await receive(stores, installed(installation=InstallationId("i2")))
    await stores.installations.mark_suspect(InstallationId("i2"), at(5))
    [found] = await commands.objects("installations", "list", "--suspect")
    assert (found["installation"], found["state"], found["suspect_since"]) == ("i2", "active", "2026-11-25T12:00:05Z")


async def test_accounts_are_listed_with_their_apps(stores: Stores, commands: Commands) -> None:
    """What is active there, and the name that the newest install gives."""
    await install_three(stores)
    await receive(stores, installed(at(0), InstallationId("i3"), AppId("app2"), AccountId("account2")))
    await stores.accounts.user_id_source(AccountId("account2"), "id")
    assert await commands.objects("accounts", "list") == [
        {
            "account": "account1",
            "account_name": "Acme",
            "installations": 3,
            "active": 1,
            "apps": ["app1"],
            "user_id_source": None,
        },
        {
            "account": "account2",
            "account_name": "Acme",
            "installations": 1,
            "active": 1,
            "apps": ["app2"],
            "user_id_source": "id",
        },
    ]
    assert "account2" in await commands.run("accounts", "list")


async def test_accounts_come_page_by_page(stores: Stores, commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each once."""
    monkeypatch.setattr("broker.cli.output.walk.__defaults__", (1,))
    for number in (1, 2, 3):
        account = AccountId(f"a{number}")
        await receive(stores, installed(at(0), InstallationId(f"i{number}"), account=account))
    assert [each["account"] for each in await commands.objects("accounts", "list")] == ["a1", "a2", "a3"]
