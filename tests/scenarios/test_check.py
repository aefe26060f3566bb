"""`broker check` in a world that runs, and in one where something is wrong: the line that says so, with the mend."""

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from broker.app import utc_now
from broker.check.database import MANY_SIGN_ONS
from broker.check.finding import Finding, Verdict
from broker.check.realm_plan import RealmPlan, realm_line
from broker.check.run import look
from broker.check.talkdesk import TalkdeskLines, resolve
from broker.errors import KeycloakError
from broker.model.names import InstallationId
from broker.outbound import http_client
from broker.ports import Clock
from broker.realm.inspection import RealmInspection
from broker.settings import Settings
from demo.talkdesk import ACME, ANA, Installation
from tests.fakes.keycloak import KeycloakImitation
from tests.fakes.keycloak.model import BROKER_CLIENT
from tests.waiting import eventually
from tests.world import World

pytestmark = pytest.mark.thorough

EXPECTED_WARNINGS = {"realm", "Keycloak's version", "user.logout", "Talkdesk's clock"}
"""In this world: no administrator's account, no system role, nobody signed out yet, and a Talkdesk that is not at port 443."""


@pytest.fixture(autouse=True)
async def installed(world: World) -> Installation:
    """Each world has one."""
    return await world.install(ACME)


async def lines(world: World, now: Clock = utc_now, **changed: Any) -> Mapping[str, Finding]:
    """By what they are about; the settings may be others than the running broker's."""
    settings: Settings = world.broker.settings.model_copy(update=changed)
    return {each.check: each for each in await look(settings, world.broker.config, now)}


def in_five_minutes() -> datetime:
    """A clock that is wrong."""
    return utc_now() + timedelta(minutes=5)


async def test_where_all_is_well_it_says_so(world: World) -> None:
    """Nothing is wrong, and every line with a warning or worse says what to do."""
    found = await lines(world)
    assert {each.check for each in found.values() if each.verdict is Verdict.WRONG} == set()
    assert {each.check for each in found.values() if each.verdict is Verdict.WARNING} == EXPECTED_WARNINGS
    assert all((each.mend is None) == (each.verdict is Verdict.OK) for each in found.values())


async def test_it_leaves_nothing_behind(world: World, keycloak: KeycloakImitation) -> None:
    """No write reaches the realm."""
    before = len(keycloak.writes())
    await lines(world)
    assert [each.path for each in keycloak.writes()[before:]] == [
        "/admin/realms/talkdesk/identity-provider/import-config"
    ]
    assert len(keycloak.identity_providers) == 1


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        ({"keycloak_client_secret": SecretStr("another")}, "service account"),
        ({"keycloak_launch_client_secret": SecretStr("another")}, "launch client"),
        ({"keycloak_realm": "another"}, "Keycloak"),
        ({"keycloak_url": "http://127.0.0.1:9"}, "Keycloak"),
        ({"public_url": "http://127.0.0.1:9"}, "launches"),
        ({"internal_url": "http://127.0.0.1:9"}, "Keycloak reaches the broker"),
        ({"users": "existing"}, "service account"),
        ({"sealing_keys": SecretStr("other:" + "A" * 43 + "=")}, "sealing keys"),
        ({"data_dir": Path("/nowhere")}, "database"),
    ],
)
async def test_a_wrong_setting_has_a_line(world: World, changed: dict[str, Any], wrong: str) -> None:
    """And no secret is in any line."""
    found = await lines(world, **({"keycloak_internal_url": world.realm.url} | changed))
    assert found[wrong].verdict is Verdict.WRONG
    text = json.dumps([(each.found, each.mend) for each in found.values()])
    assert "another" not in text.replace("realms/another", "")
    assert "secret-of" not in text


async def test_a_clock_that_is_five_minutes_off_is_wrong(world: World) -> None:
    """Keycloak's by its token, Talkdesk's by `Date`."""
    found = await lines(world, in_five_minutes)
    assert found["Keycloak's clock"].verdict is Verdict.WRONG
    assert re.search("30[01] s ahead", found["Keycloak's clock"].found)
    async with http_client() as client:
        clock = await TalkdeskLines([world.talkdesk.url], [], resolve, client, in_five_minutes).clock()
        right = await TalkdeskLines([world.talkdesk.url], [], resolve, client, utc_now).clock()
    assert clock.verdict is Verdict.WRONG
    assert right.verdict is Verdict.OK


@pytest.mark.parametrize(
    ("roles", "verdict", "named"),
    [
        ((), Verdict.WRONG, "manage-identity-providers"),
        (("manage-identity-providers", "manage-users"), Verdict.WARNING, "manage-users"),
    ],
)
async def test_roles_that_lack_or_are_too_many(
    world: World, keycloak: KeycloakImitation, roles: tuple[str, ...], verdict: Verdict, named: str
) -> None:
    """The line names them."""
    keycloak.clients[BROKER_CLIENT].roles = roles or ("view-realm",)
    found = (await lines(world))["service account"]
    assert found.verdict is verdict
    assert named in found.found


async def test_the_role_for_sessions_of_the_companys_is_needed_where_they_are_ended(
    world: World, keycloak: KeycloakImitation
) -> None:
    """It is missed then, and not too much."""
    missed = (await lines(world, end_foreign_sessions=True))["service account"]
    assert (missed.verdict, "manage-users" in missed.found) == (Verdict.WRONG, True)
    keycloak.clients[BROKER_CLIENT].roles = ("manage-identity-providers", "manage-users")
    assert (await lines(world, end_foreign_sessions=True))["service account"].verdict is Verdict.OK


@pytest.mark.parametrize(
    ("version", "verdict"),
    [
        ("26.7.3", Verdict.OK),
        ("26.4.7", Verdict.WARNING),
        ("25.0.0", Verdict.WARNING),
        ("26.7.1", Verdict.WRONG),
        (None, Verdict.WARNING),
    ],
)
async def test_the_version_is_told_as_the_plan_tells_it(
    world: World, monkeypatch: pytest.MonkeyPatch, version: str | None, verdict: Verdict
) -> None:
    """One that is tried and old is no fault; one that is broken is."""

    async def seen(_: RealmInspection) -> str | None:
        return version

    monkeypatch.setattr(RealmInspection, "version", seen)
    found = (await lines(world))["Keycloak's version"]
    assert found.verdict is verdict
    assert (found.mend is None) == (verdict is Verdict.OK)


async def test_without_keycloak_one_line_says_so(world: World, keycloak: KeycloakImitation) -> None:
    """The rest is looked at all the same."""
    await keycloak.down()
    found = await lines(world)
    assert found["Keycloak"].verdict is Verdict.WRONG
    assert "service account" not in found
    assert found["database"].verdict is Verdict.OK
    await keycloak.up()


async def test_a_broker_that_does_not_run_is_missed(world: World) -> None:
    """Keycloak does not reach it, and neither does the public address."""
    await world.broker.stop()
    found = await lines(world)
    assert found["Keycloak reaches the broker"].verdict is Verdict.WRONG
    assert found["public address"].verdict is Verdict.WARNING
    await world.broker.start()


async def test_another_broker_at_our_address_is_found_out(world: World) -> None:
    """Its keys are not those of this database."""
    found = await lines(world, public_url=world.wallboard.url)
    assert found["public address"].verdict is Verdict.WRONG


async def test_many_sign_ons_and_never_a_sign_out_is_a_warning(world: World, installed: Installation) -> None:
    """Until one comes: then the line says when."""
    for _ in range(MANY_SIGN_ONS):
        await world.launch(world.browser(), installed, ANA)
    found = (await lines(world))["user.logout"]
    assert (found.verdict, installed.id in found.found) == (Verdict.WARNING, True)
    await world.talkdesk.user_logout(ANA)
    await world.signed_out(world.wallboard)
    assert (await lines(world))["user.logout"].verdict is Verdict.OK


async def test_a_suspect_installation_is_named_until_it_is_gone(world: World, installed: Installation) -> None:
    """Talkdesk refuses its credentials; an uninstall ends that, too."""
    assert (await lines(world))["installations"].verdict is Verdict.OK
    await world.broker.opened.stores.installations.mark_suspect(InstallationId(installed.id), utc_now())
    found = (await lines(world))["installations"]
    assert (found.verdict, installed.id in found.found) == (Verdict.WARNING, True)
    await world.talkdesk.uninstall(installed)

    async def is_ok() -> bool:
        return (await lines(world))["installations"].verdict is Verdict.OK

    await eventually(is_ok, what="nobody looks for it any more")


async def test_little_room_is_a_warning_and_none_is_wrong(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the free bytes of the disk below the data folder."""
    verdicts = []
    for free in (10 * 1024**3, 500 * 1024**2, 1024**2):
        monkeypatch.setattr("broker.check.database.shutil.disk_usage", lambda _, free=free: _Usage(free))
        verdicts.append((await lines(world))["room"].verdict)
    assert verdicts == [Verdict.OK, Verdict.WARNING, Verdict.WRONG]


class _Usage:
    def __init__(self, free: int) -> None:
        self.free = free


@pytest.mark.parametrize(
    ("plan", "verdict"),
    [
        (RealmPlan(0, 0), Verdict.OK),
        (RealmPlan(0, 1), Verdict.WARNING),
        (RealmPlan(2, 0), Verdict.WRONG),
        (KeycloakError("read the realm: Keycloak answered 403", status=403), Verdict.WRONG),
        (None, Verdict.WARNING),
    ],
)
async def test_the_plan_of_the_realm_is_one_line(plan: RealmPlan | KeycloakError | None, verdict: Verdict) -> None:
    """What it comes to; without an administrator's account it says that nobody looked."""

    async def make() -> RealmPlan:
        if isinstance(plan, RealmPlan):
            return plan
        assert plan is not None
        raise plan

    assert (await realm_line(make if plan else None)).verdict is verdict
