"""The imitation of Keycloak: how a browser signs on, as docs/keycloak.md says that a real one behaves (T1, T2, T5, T7, T10, T11)."""

from datetime import timedelta

import pytest
from joserfc.jwk import ECKey

from demo.browser import Browser
from tests.fakes.keycloak.model import Provider
from tests.scenarios.keycloak_imitation.counterparts import NO_TLS, Counterparts, Json, id_token_claims, query_of


async def test_first_login_creates_a_user_in_six_redirects(desk: Counterparts, browser: Browser) -> None:
    """Nobody is there yet: two redirects more than for a known user, then code, state, issuer and session state."""
    page = await desk.launch(browser)

    assert (page.status, page.text, page.longest_chain) == (200, "in the app", 6)
    assert query_of(page).keys() == {"code", "state", "iss", "session_state"}
    assert (query_of(page)["state"], query_of(page)["iss"]) == ("a state", desk.keycloak.realm_url)
    assert [user.username for user in desk.keycloak.users()] == ["talkdesk-acme-ana"]


async def test_known_user_comes_in_with_four_redirects(desk: Counterparts, browser: Browser) -> None:
    """The link finds the user again, in a browser without cookies."""
    await desk.launch(browser)
    browser.clear()

    page = await desk.launch(browser)

    assert (page.text, page.longest_chain) == ("in the app", 4)
    assert len(desk.keycloak.users()) == 1


async def test_live_session_wins_over_the_hint(desk: Counterparts, browser: Browser) -> None:
    """T1: the old user comes back, at once and with `acr` 0, whoever would sign on now."""
    await desk.launch(browser)
    desk.person = {"sub": "talkdesk-acme-rui", "preferred_username": "talkdesk-acme-rui"}

    page = await desk.launch(browser)

    claims = await id_token_claims(desk, page)
    assert (page.longest_chain, claims["preferred_username"], claims["acr"]) == (1, "talkdesk-acme-ana", "0")


@pytest.mark.parametrize("hint", ["unknown", "disabled", ""])
async def test_hint_that_leads_nowhere_is_a_page_of_keycloaks(desk: Counterparts, browser: Browser, hint: str) -> None:
    """T11: an unknown or a disabled provider is a page of Keycloak's."""
    desk.keycloak.add_provider(Provider(desk.representation("disabled", enabled=False)))

    page = await desk.launch(browser, kc_idp_hint=hint)

    assert page.status == 401
    assert "Open this app from Talkdesk" in page.text


async def test_error_of_the_provider_is_a_page_of_keycloaks(desk: Counterparts, browser: Browser) -> None:
    """T11: `access_denied` handed to Keycloak does not come back to the client."""
    desk.is_asking = True
    asked = await desk.launch(browser)

    page = await browser.open(asked.text.replace("code=", "error=access_denied&was="))

    assert page.status == 401
    assert "Open this app from Talkdesk" in page.text


@pytest.mark.parametrize(
    ("person", "answer"),
    [
        ({"iss": "https://other.example"}, {}),
        ({"aud": "talkdesk-two"}, {}),
        ({"nonce": "another"}, {}),
        ({"exp": 1}, {}),
        ({"sub": None}, {}),
        ({}, {"access_token": None}),
        ({}, {"id_token": None}),
        ({}, {"id_token": "eyJhbGciOiJub25lIn0.e30."}),
    ],
)
async def test_bad_token_answer_is_a_502_page(desk: Counterparts, browser: Browser, person: Json, answer: Json) -> None:
    """Whatever is wrong with the answer, nobody is created and nobody is in."""
    desk.person, desk.answer = person, answer

    page = await desk.launch(browser)

    assert page.status == 502
    assert (desk.keycloak.users(), desk.keycloak.sessions()) == ([], [])


async def test_id_token_of_a_key_that_is_not_published_is_a_502_page(desk: Counterparts, browser: Browser) -> None:
    """T10: keys are kept, so one that changes under the same key id breaks every sign-on."""
    await desk.launch(browser)
    browser.clear()
    desk.key = ECKey.generate_key("P-256", {"use": "sig", "kid": str(desk.key.kid)})
    desk.clock.ahead = timedelta(seconds=11)

    assert (await desk.launch(browser)).status == 502


async def test_new_key_is_found_after_ten_seconds(desk: Counterparts, browser: Browser) -> None:
    """An unknown key id makes Keycloak load the keys again, but not at once."""
    await desk.launch(browser)
    desk.key = ECKey.generate_key("P-256", {"use": "sig"}, auto_kid=True)

    for seconds, status in ((0, 502), (11, 200)):
        browser.clear()
        desk.clock.ahead = timedelta(seconds=seconds)
        assert (await desk.launch(browser)).status == status


@pytest.mark.parametrize(
    ("config", "claim", "note"),
    [
        ({}, "ana", "ana"),
        ({}, 7, None),
        ({}, None, None),
        ({"are.claim.values.regex": "false"}, "ana", None),
        ({"are.claim.values.regex": "false"}, ".*", ".*"),
    ],
)
async def test_notes_are_string_claims_that_match(
    desk: Counterparts, browser: Browser, config: Json, claim: object, note: str | None
) -> None:
    """As the mapper says: by pattern, or literally."""
    desk.keycloak.identity_providers["talkdesk-one"].mappers["1"]["config"] |= config
    desk.person = {"talkdesk_user_id": claim}

    assert (await desk.launch(browser)).text == "in the app"

    assert desk.keycloak.sessions()[0].notes.get("talkdesk_user_id") == note


async def test_session_state_stands_in_for_sid(desk: Counterparts, browser: Browser) -> None:
    """Where the ID token has none."""
    desk.person, desk.answer = {"sid": None}, {"session_state": "beside the tokens"}

    await desk.launch(browser)

    assert desk.keycloak.sessions()[0].upstream_sid == "beside the tokens"


async def test_state_of_another_browser_is_refused(desk: Counterparts, browser: Browser) -> None:
    """A login is found by the browser's cookie, so an address that was handed over is worth nothing; its own browser can go on."""
    desk.is_asking = True
    asked = await desk.launch(browser)

    async with Browser(tls=NO_TLS) as other:
        assert (await other.open(asked.text)).status == 400
    assert (await browser.open(asked.text)).text == "in the app"
    assert (await browser.open(asked.text)).status == 400


async def test_launches_of_the_same_instant_break_each_other(desk: Counterparts) -> None:
    """T5: both begin without a cookie, the later answer overwrites the earlier one's."""
    first, second = Browser(tls=NO_TLS), Browser(tls=NO_TLS)
    async with first, second:
        desk.is_asking = True
        asked = await desk.launch(first), await desk.launch(second)
        cookie = second.cookies.find("AUTH_SESSION_ID", f"{desk.keycloak.realm_url}/")
        assert cookie is not None
        first.take_cookie(desk.keycloak.realm_url, f"AUTH_SESSION_ID={cookie.value}; Path=/realms/talkdesk/; Secure")

        assert (await first.open(asked[0].text)).status == 400
        assert (await first.open(asked[1].text)).text == "in the app"


async def test_second_sign_on_in_a_session_changes_its_notes_only(desk: Counterparts, browser: Browser) -> None:
    """T7: notes are of the newest sign-on, the `sid` that ends the session is of the first one."""
    desk.is_asking = True
    asked = await desk.launch(browser), await desk.launch(browser)
    await browser.open(asked[0].text)
    desk.person = {"sid": "upstream-2", "talkdesk_user_id": "newest"}

    page = await browser.open(asked[1].text)

    (session,) = desk.keycloak.sessions()
    assert (session.upstream_sid, session.notes["talkdesk_user_id"]) == ("upstream-1", "newest")
    assert (await id_token_claims(desk, page))["talkdesk_user_id"] == "newest"


async def test_sign_on_of_somebody_else_in_a_session_is_a_400_page(desk: Counterparts, browser: Browser) -> None:
    """T2: "already authenticated as different user"."""
    desk.is_asking = True
    asked = await desk.launch(browser), await desk.launch(browser)
    await browser.open(asked[0].text)
    desk.person = {"sub": "talkdesk-acme-rui", "preferred_username": "talkdesk-acme-rui"}

    page = await browser.open(asked[1].text)

    assert page.status == 400
    assert "different user" in page.text
