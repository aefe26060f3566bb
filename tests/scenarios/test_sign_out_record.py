"""The record of sign-outs where Keycloak stumbles, where times are close, and where an operator asks."""

import base64
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from broker.listing import LogoutRow, SignOnFilter, SignOnRow
from broker.model.names import AccountId, TalkdeskUserId
from broker.storage.database import open_database
from broker.storage.sql_logout_lists import SqlSignOnList
from demo.browser import Browser
from demo.talkdesk import ACME, ANA, BRUNO, Installation
from tests.fakes.keycloak import KeycloakImitation
from tests.scenarios.test_metrics import run_command
from tests.scenarios.test_relay import Records, settled, sign_on_to_both
from tests.scenarios.test_sign_out import no_task_is_due
from tests.waiting import eventually
from tests.world import OpenWorld, World, users_of

pytestmark = pytest.mark.thorough

AUTH = "/protocol/openid-connect/auth"
FIRST_LOGIN = "/login-actions/first-broker-login"


@pytest.fixture
async def relayed(opened: OpenWorld) -> AsyncIterator[World]:
    """A world in which Keycloak tells the relay, and the relay the apps."""
    async with opened(relayed=True) as world:
        yield world


async def sign_ons(world: World) -> list[SignOnRow]:
    """What `broker sign-ons list` shows, newest first."""
    database = open_database(f"sqlite:///{world.broker.folder / 'broker.sqlite3'}")
    page = await SqlSignOnList(database).page(SignOnFilter(), 100)
    await database.close()
    return [*page.rows]


async def is_open_because(world: World, words: str) -> bool:
    """Whether the only sign-out waits, with this reason."""
    return [row.state for row in await Records(world).logouts() if words in (row.problem or "")] == ["open"]


async def signed_on_alone(world: World) -> Installation:
    """Ana, in one app."""
    installation = await world.install(ACME)
    await world.launch(world.browser(ANA), installation, ANA)
    return installation


async def test_a_disabled_identity_provider_is_on_record_until_it_is_enabled(
    relayed: World, keycloak: KeycloakImitation
) -> None:
    """Its sessions live on, and it says so; enabled again, they end."""
    installation = await signed_on_alone(relayed)
    provider = keycloak.identity_providers[str(await relayed.alias(installation))]
    provider.sent["enabled"] = False
    await relayed.talkdesk.user_logout(ANA)
    await eventually(
        lambda: is_open_because(relayed, "while it is disabled: enable it"), what="the reason is on record"
    )
    assert users_of(relayed.wallboard) == [ANA.id]
    assert (await sign_ons(relayed))[0].told_status == 500
    provider.sent["enabled"] = True
    row = await settled(relayed, "done")
    assert (row.problem, row.confirmed) == (None, 1)
    assert not relayed.wallboard.signed_in


async def test_sessions_that_died_with_their_identity_provider_are_on_record(
    relayed: World, keycloak: KeycloakImitation
) -> None:
    """An administrator deleted it: nothing is left to end, and no app was told."""
    installation = await signed_on_alone(relayed)
    keycloak.delete_provider(str(await relayed.alias(installation)))
    await relayed.talkdesk.user_logout(ANA)
    row = await settled(relayed, "done")
    assert "no app was told" in (row.problem or "")
    assert row.confirmed == 0
    assert users_of(relayed.wallboard) == [ANA.id]


async def test_keycloak_being_down_is_on_record_and_the_sign_out_comes_after_it(
    relayed: World, keycloak: KeycloakImitation
) -> None:
    """The sessions live as long as it is down."""
    await signed_on_alone(relayed)
    await keycloak.down()
    await relayed.talkdesk.user_logout(ANA)
    await eventually(lambda: is_open_because(relayed, "no answer"), what="the reason is on record")
    await keycloak.up()
    row = await settled(relayed, "done")
    assert (row.problem, row.confirmed) == (None, 1)


async def at_the_app_until(world: World, installation: Installation, path: str) -> tuple[Browser, str]:
    """Ana's first sign-on, begun at the app; the browser stands still before this path, and the address where it goes on."""
    browser = world.browser(ANA)
    realm = urlsplit(world.realm.realm_url).path
    auth = await browser.open(world.wallboard.start_url, stop_before=f"{realm}{AUTH}")
    hinted = f"{auth.url}&kc_idp_hint={await world.alias(installation)}"
    stopped = await browser.open(hinted, stop_before=f"{realm}{path}")
    assert stopped.status == 0, stopped.text
    return browser, stopped.url


async def test_an_event_between_a_code_and_its_redemption_ends_the_sign_on(relayed: World) -> None:
    """Keycloak is refused the ID token: nobody is in, and the next launch works."""
    installation = await relayed.install(ACME)
    browser, url = await at_the_app_until(
        relayed, installation, f"/broker/{await relayed.alias(installation)}/endpoint"
    )
    assert [each.state for each in await sign_ons(relayed)] == ["code issued"]
    await relayed.talkdesk.user_logout(ANA)
    await eventually(lambda: no_task_is_due(relayed), what="the first round is over")
    page = await browser.open(url)
    assert page.status >= 400
    assert page.url.startswith(relayed.realm.realm_url)
    assert not relayed.wallboard.signed_in
    await relayed.another_second()
    relayed.talkdesk.sign_in(browser, ANA)
    await relayed.launch(browser, installation, ANA)
    assert users_of(relayed.wallboard) == [ANA.id]


@pytest.mark.thorough
async def test_a_session_that_is_born_after_the_logout_token_ends_with_the_next_round(relayed: World) -> None:
    """The code was redeemed, the event came, and only then Keycloak made the session: five seconds later it is over."""
    installation = await relayed.install(ACME)
    browser, url = await at_the_app_until(relayed, installation, FIRST_LOGIN)
    assert [each.state for each in await sign_ons(relayed)] == ["redeemed"]
    await relayed.talkdesk.user_logout(ANA)
    await eventually(lambda: no_task_is_due(relayed), what="the first round is over")
    await browser.open(url)
    assert users_of(relayed.wallboard) == [ANA.id], "the session that nobody was told of"
    await relayed.signed_out(relayed.wallboard)
    assert len(relayed.fronts["wallboard"].tokens) == 1


@pytest.mark.thorough
async def test_an_issuer_key_that_was_lost_and_made_anew_ends_sessions_of_before(relayed: World) -> None:
    """Keycloak has never seen it, and fetches it for the logout token."""
    await signed_on_alone(relayed)
    async with httpx.AsyncClient(base_url=relayed.broker.listens_at) as client:
        before = (await client.get("/oidc/jwks")).json()
        await relayed.broker.stop()
        with closing(sqlite3.connect(relayed.broker.folder / "broker.sqlite3")) as connection, connection:
            connection.execute("DELETE FROM issuer_key")
        await relayed.broker.start()
        assert (await client.get("/oidc/jwks")).json()["keys"][0]["kid"] != before["keys"][0]["kid"]
    await relayed.talkdesk.user_logout(ANA)
    row = await settled(relayed, "done", seconds=60)
    assert (row.problem, row.confirmed) == (None, 1)
    assert not relayed.wallboard.signed_in


async def test_an_app_without_a_relay_that_keycloak_could_not_tell_is_on_record(relayed: World) -> None:
    """Keycloak says 504 once; a repeat would tell nobody anything."""
    await relayed.realm.register_app(relayed.wallboard, "http://127.0.0.1:9/backchannel-logout")
    await signed_on_alone(relayed)
    await relayed.talkdesk.user_logout(ANA)
    row = await settled(relayed, "done")
    assert "could not tell an app" in (row.problem or "")
    assert [each.told_status for each in await sign_ons(relayed)] == [504]
    assert users_of(relayed.wallboard) == [ANA.id]


async def test_late_repeated_and_swapped_events_end_what_was_before_them(relayed: World) -> None:
    """Twice the same, and an older one after a newer one: who signed on again in between stays."""
    installation = await signed_on_alone(relayed)
    before = relayed.talkdesk.state.clock()
    await relayed.talkdesk.user_logout(ANA)
    await relayed.signed_out(relayed.wallboard)
    await relayed.another_second()
    browser = relayed.browser(ANA)
    await relayed.launch(browser, installation, ANA)
    for created_at in (before, before - timedelta(hours=1)):
        await relayed.talkdesk.user_logout(ANA, created_at=created_at)
    await eventually(lambda: no_task_is_due(relayed), what="all are done")
    assert users_of(relayed.wallboard) == [ANA.id]
    rows = await Records(relayed).logouts()
    assert {row.state for row in rows} == {"done"}
    assert [row.sign_ons for row in rows] == [1, 0, 0]


async def test_an_event_that_comes_before_its_sign_on_ends_it(relayed: World) -> None:
    """Created after Talkdesk was asked, received before Keycloak was answered: no code is issued."""
    installation = await relayed.install(ACME)
    await relayed.talkdesk.user_logout(ANA, created_at=relayed.talkdesk.state.clock() + timedelta(seconds=30))
    page = await relayed.launch(relayed.browser(ANA), installation, ANA)
    assert page.status == 403
    assert not relayed.wallboard.signed_in


async def test_an_operator_signs_a_person_out(relayed: World, tmp_path: Path) -> None:
    """The command waits until the service has told Keycloak; others stay, and the person may come back."""
    installation = await sign_on_to_both(relayed)
    await relayed.launch(relayed.browser(BRUNO), installation, BRUNO)
    printed = await run_command(tmp_path, "sign-ons", "end", "--account", ACME.id, "--user", ANA.id, "--yes")
    assert "Signed out: 1 of 1." in printed
    await relayed.signed_out(relayed.notes)
    assert users_of(relayed.wallboard) == [BRUNO.id]
    row: LogoutRow = await settled(relayed, "done")
    assert (row.cause, row.user, row.confirmed) == ("operator", ANA.id, 2)
    await relayed.another_second()
    await relayed.launch(relayed.browser(ANA), installation, ANA)
    assert users_of(relayed.wallboard) == sorted([ANA.id, BRUNO.id])


async def test_an_uninstall_is_on_record_with_everybody(relayed: World) -> None:
    """One row, for all people of the account."""
    installation = await sign_on_to_both(relayed)
    await relayed.launch(relayed.browser(BRUNO), installation, BRUNO)
    await relayed.talkdesk.uninstall(installation)
    await relayed.signed_out(relayed.wallboard, relayed.notes)
    row = await settled(relayed, "done")
    assert (row.cause, row.user, row.sign_ons, row.confirmed) == ("installation closed", None, 2, 3)


async def test_a_removed_person_loses_offline_sessions_too(relayed: World, keycloak: KeycloakImitation) -> None:
    """The logout tokens say so; those of a `user.logout` do not."""
    installation = await signed_on_alone(relayed)
    await relayed.talkdesk.user_logout(ANA)
    await relayed.signed_out(relayed.wallboard)
    await eventually(lambda: no_task_is_due(relayed), what="the first round is over")
    assert [await relayed.broker.opened.stores.sign_ons.is_known(AccountId(ACME.id), TalkdeskUserId(ANA.id))] == [True]
    assert not any(revokes(request.body) for request in keycloak.requests)
    await relayed.another_second()
    await relayed.launch(relayed.browser(ANA), installation, ANA)
    await relayed.talkdesk.update(installation, removing=[ANA])
    await relayed.signed_out(relayed.wallboard)
    await eventually(lambda: any(revokes(each.body) for each in keycloak.requests), what="a logout token says so")


def revokes(body: bytes) -> bool:
    """Whether this is a logout token that ends offline sessions."""
    if not body.startswith(b"logout_token="):
        return False
    payload = body.decode().split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return any(each.get("revoke_offline_access") is True for each in claims["events"].values())
