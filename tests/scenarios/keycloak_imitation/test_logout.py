"""The imitation of Keycloak: logout in and out (docs/keycloak.md "Logout", T6, T7)."""

import pytest
import pytest_asyncio
from joserfc.jwk import ECKey

from demo.browser import Browser
from tests.fakes.keycloak.model import Provider
from tests.scenarios.keycloak_imitation.counterparts import (
    EVENT,
    NO_TLS,
    Counterparts,
    query_of,
    token_answer,
    verified,
)
from tests.times import SecondsFromNow, told_now


@pytest_asyncio.fixture
async def signed_on(desk: Counterparts, browser: Browser) -> Counterparts:
    """Ana is in the app."""
    await desk.launch(browser)
    return desk


async def _post(desk: Counterparts, token: str) -> int:
    return (await desk.http.post(desk.backchannel_url, data={"logout_token": token})).status_code


async def test_logout_by_sid_ends_the_session_and_tells_the_app(signed_on: Counterparts) -> None:
    """The app gets a token of exactly these claims; a repeat finds nothing and tells nobody."""
    session = signed_on.keycloak.sessions()[0]

    statuses = [await _post(signed_on, signed_on.logout_token(sid="upstream-1")) for _ in range(2)]

    assert (statuses, signed_on.keycloak.sessions()) == ([200, 200], [])
    (token,) = signed_on.logout_tokens
    decoded = await verified(signed_on, token)
    assert decoded.header["typ"] == "logout+jwt"
    assert decoded.claims.pop("jti")
    assert decoded.claims.pop("exp") - decoded.claims.pop("iat") == 120
    assert decoded.claims == {
        "iss": signed_on.keycloak.realm_url,
        "aud": "wallboard",
        "sub": session.user.id,
        "sid": session.id,
        "typ": "Logout",
        "events": {EVENT: {}},
    }


async def test_browser_of_an_ended_session_signs_on_anew(signed_on: Counterparts, browser: Browser) -> None:
    """Its old cookies do no harm."""
    await _post(signed_on, signed_on.logout_token(sid="upstream-1"))

    page = await signed_on.launch(browser)

    assert (page.text, page.longest_chain) == ("in the app", 4)


async def test_login_under_way_dies_with_the_session(desk: Counterparts, browser: Browser) -> None:
    """T12: the browser's second login was at the provider when its session ended."""
    desk.is_asking = True
    asked = await desk.launch(browser), await desk.launch(browser)
    await browser.open(asked[0].text)

    await _post(desk, desk.logout_token(sid="upstream-1"))

    assert (await browser.open(asked[1].text)).status == 400
    assert desk.keycloak.sessions() == []


async def test_logout_by_sub_ends_all_sessions_with_a_token_each(signed_on: Counterparts) -> None:
    """T8, as 26.7.3 has it."""
    signed_on.person = {"sid": "upstream-2"}
    async with Browser(tls=NO_TLS) as other:
        await signed_on.launch(other)
    signed_on.person = {"sid": "upstream-3", "sub": "somebody-else", "preferred_username": "talkdesk-acme-rui"}
    async with Browser(tls=NO_TLS) as other:
        await signed_on.launch(other)

    assert await _post(signed_on, signed_on.logout_token(sub="talkdesk-acme-ana")) == 200

    assert [session.upstream_sid for session in signed_on.keycloak.sessions()] == ["upstream-3"]
    assert len(signed_on.logout_tokens) == 2


async def test_sub_is_not_looked_at_where_there_is_a_sid(signed_on: Counterparts) -> None:
    """A sid that fits nobody ends nothing."""
    assert await _post(signed_on, signed_on.logout_token(sid="other", sub="talkdesk-acme-ana")) == 200

    assert len(signed_on.keycloak.sessions()) == 1


async def test_app_that_refuses_makes_it_a_504(signed_on: Counterparts) -> None:
    """The session is gone all the same, and a repeat tells nobody anything."""
    signed_on.logout_status = 500

    statuses = [await _post(signed_on, signed_on.logout_token(sid="upstream-1")) for _ in range(2)]

    assert (statuses, signed_on.keycloak.sessions()) == ([504, 200], [])
    assert len(signed_on.logout_tokens) == 1


async def test_app_that_is_not_there_makes_it_a_504(signed_on: Counterparts) -> None:
    """A refused connection counts like a refusal; the apps after it are told all the same."""
    token = signed_on.logout_token(sid="upstream-1")
    signed_on.keycloak.register_app("gone", "secret", (signed_on.redirect_uri,), "http://127.0.0.1:1/logout")
    session = signed_on.keycloak.sessions()[0]
    session.clients = {"gone": signed_on.keycloak.clients["gone"], **session.clients}

    assert await _post(signed_on, token) == 504
    assert len(signed_on.logout_tokens) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://other.example"},
        {"aud": "talkdesk-two"},
        {"events": {}},
        {"events": None},
        {"jti": None},
        {"iat": None},
        {"sid": None},
        {"nonce": "n"},
        {"exp": SecondsFromNow(-1)},
    ],
)
async def test_bad_logout_token_is_a_400(signed_on: Counterparts, changes: dict[str, object]) -> None:
    """Each check of Back-Channel Logout 1.0, section 2.6, by a token that is good but for this."""
    assert await _post(signed_on, signed_on.logout_token(**told_now({"sid": "upstream-1", **changes}))) == 400

    assert len(signed_on.keycloak.sessions()) == 1


async def test_logout_token_of_a_strange_key_is_a_400(signed_on: Counterparts) -> None:
    """Also with the key id of the right one; and what is no token at all."""
    signed_on.key = ECKey.generate_key("P-256", {"use": "sig", "kid": str(signed_on.key.kid)})

    assert await _post(signed_on, signed_on.logout_token(sid="upstream-1")) == 400
    assert await _post(signed_on, "no token") == 400
    assert len(signed_on.keycloak.sessions()) == 1


async def test_disabled_leftover_with_the_same_issuer_breaks_logout(signed_on: Counterparts) -> None:
    """T6: 500, and the sessions live on, although the other provider is enabled."""
    signed_on.keycloak.add_provider(Provider(signed_on.representation("leftover", enabled=False)))

    assert await _post(signed_on, signed_on.logout_token(sid="upstream-1")) == 500
    assert len(signed_on.keycloak.sessions()) == 1


async def test_deleted_provider_takes_its_sessions_and_tells_nobody(signed_on: Counterparts) -> None:
    """T6: a logout token comes too late then."""
    signed_on.keycloak.delete_provider("talkdesk-one")

    assert await _post(signed_on, signed_on.logout_token(sid="upstream-1")) == 400
    assert (signed_on.keycloak.sessions(), signed_on.logout_tokens) == ([], [])


async def test_app_ends_the_session_with_its_id_token(signed_on: Counterparts, browser: Browser) -> None:
    """RP-initiated: at once, the app is told; the same hint is stale afterwards and gets a page."""
    hint = (await token_answer(signed_on, await signed_on.launch(browser))).json()["id_token"]
    address = f"{signed_on.keycloak.realm_url}/protocol/openid-connect/logout?id_token_hint={hint}&state=x"

    page = await browser.open(f"{address}&post_logout_redirect_uri={signed_on.redirect_uri}")
    again = await browser.open(f"{address}&post_logout_redirect_uri={signed_on.redirect_uri}")

    assert (page.text, query_of(page), page.longest_chain) == ("in the app", {"state": "x"}, 1)
    assert "Do you want to log out?" in again.text
    assert (signed_on.keycloak.sessions(), len(signed_on.logout_tokens)) == ([], 1)


async def test_logout_leads_to_registered_addresses_only(signed_on: Counterparts, browser: Browser) -> None:
    """Anything else is a page, and the session lives."""
    hint = (await token_answer(signed_on, await signed_on.launch(browser))).json()["id_token"]

    page = await browser.open(
        f"{signed_on.keycloak.realm_url}/protocol/openid-connect/logout"
        f"?id_token_hint={hint}&post_logout_redirect_uri=https://other.example"
    )

    assert (page.status, len(signed_on.keycloak.sessions())) == (400, 1)
