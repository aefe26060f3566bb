"""Authorization code grant: one redirect URL, codes for one use, bound to client and redirect URL."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta

import pytest

from demo.browser import Browser
from demo.talkdesk import ACME, ANA, CARLA, GLOBEX, Endpoint, StandIn, Variants, apps_at
from demo.talkdesk.variants import IdToken, Pkce
from tests.demo.conftest import Started
from tests.demo.partner import Partner


@pytest.fixture(autouse=True)
async def installed(talkdesk: StandIn, partner: Partner) -> None:
    await talkdesk.install(ACME, talkdesk.app("Wallboard"))


async def test_signed_in_user_comes_back_at_once(partner: Partner, anas_browser: Browser) -> None:
    """No page in between: one redirect, with code and unchanged state."""
    page = await anas_browser.open(partner.authorization_url())
    assert (page.longest_chain, page.text) == (1, "arrived")
    answer = await partner.authorize(anas_browser)
    assert (set(answer), answer["state"]) == ({"code", "state"}, "the state")


async def test_tokens_and_userinfo(partner: Partner, anas_browser: Browser) -> None:
    """The code gives a token with `sid`; userinfo says who signed on."""
    answer = await partner.authorize(anas_browser)
    tokens = (await partner.redeem(answer["code"])).json()
    assert set(tokens) == {"access_token", "token_type", "expires_in", "scope", "sid", "id_token"}
    userinfo = await partner.client.get(
        partner.installed.link("userinfo"), headers={"Authorization": f"Bearer {tokens['access_token']}"}
    )
    assert userinfo.json()["id"] == ANA.id
    assert userinfo.json()["email"] == ANA.email


async def test_nobody_signed_in_sees_the_sign_in_page(talkdesk: StandIn, partner: Partner, browser: Browser) -> None:
    """The page offers this account's users; choosing one goes on to the redirect URL."""
    page = await browser.open(partner.authorization_url())
    assert (page.status, "Ana Sousa" in page.text, "Carla" in page.text) == (200, True, False)
    query = partner.authorization_url().partition("?")[2]
    page = await browser.submit(f"{talkdesk.url}/acme/sign-in", {"user": ANA.id, "query": query})
    assert page.url.startswith(partner.redirect_url + "?code=")


async def test_leaving_the_sign_in_page(talkdesk: StandIn, partner: Partner, browser: Browser) -> None:
    """Cancel is `access_denied` at the redirect URL."""
    query = partner.authorization_url().partition("?")[2]
    page = await browser.submit(f"{talkdesk.url}/acme/sign-in", {"cancel": "1", "query": query})
    assert page.url == f"{partner.redirect_url}?error=access_denied&state=the+state"


async def test_user_of_another_account_has_to_sign_in(talkdesk: StandIn, partner: Partner, browser: Browser) -> None:
    """Carla is of Globex: Acme's endpoint asks who is there."""
    talkdesk.sign_in(browser, CARLA)
    page = await browser.open(partner.authorization_url())
    assert (page.longest_chain, "has no access to Acme" in page.text) == (0, True)


@pytest.mark.parametrize(
    "redirect", ["https://attacker.example/", "{}/", "{}?more=1", "", None, "{}#fragment"], ids=str
)
async def test_other_redirect_url(partner: Partner, anas_browser: Browser, redirect: str | None) -> None:
    """Anything but the registered redirect URL, letter by letter, is an error page and never a redirect."""
    url = None if redirect is None else redirect.format(partner.redirect_url)
    page = await anas_browser.open(partner.authorization_url(redirect_uri=url))
    assert (page.status, page.longest_chain) == (400, 0)


async def test_unknown_client(partner: Partner, anas_browser: Browser) -> None:
    """An unknown client is an error page and never a redirect."""
    page = await anas_browser.open(partner.authorization_url(client_id="unknown"))
    assert (page.status, page.longest_chain) == (400, 0)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),
        ({"state": None}, "invalid_request"),
        ({"scope": None}, "invalid_scope"),
        ({"scope": "openid apps:write"}, "invalid_scope"),
    ],
)
async def test_wrong_authorization_request(
    partner: Partner, anas_browser: Browser, changes: dict[str, str | None], error: str
) -> None:
    """Other mistakes are told at the redirect URL."""
    assert (await partner.authorize(anas_browser, **changes))["error"] == error


async def test_parameter_twice(partner: Partner, anas_browser: Browser) -> None:
    """No parameter may be there twice."""
    page = await anas_browser.open(partner.authorization_url() + "&client_id=another")
    assert page.status == 400


async def test_code_is_for_one_use(partner: Partner, anas_browser: Browser) -> None:
    """A second use fails, and ends what the first one gave."""
    code = (await partner.authorize(anas_browser))["code"]
    tokens = (await partner.redeem(code)).json()
    again = await partner.redeem(code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    userinfo = await partner.client.get(
        partner.installed.link("userinfo"), headers={"Authorization": f"Bearer {tokens['access_token']}"}
    )
    assert userinfo.status_code == 401


@pytest.mark.parametrize("redirect_uri", ["https://attacker.example/", ""])
async def test_code_is_bound_to_the_redirect_url(partner: Partner, anas_browser: Browser, redirect_uri: str) -> None:
    """The token request must repeat the redirect URL."""
    code = (await partner.authorize(anas_browser))["code"]
    answer = await partner.redeem(code, redirect_uri=redirect_uri)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


async def test_code_is_bound_to_the_client(talkdesk: StandIn, partner: Partner, anas_browser: Browser) -> None:
    """Another app's client can't redeem it, although both have the same redirect URL."""
    code = (await partner.authorize(anas_browser))["code"]
    await talkdesk.install(ACME, talkdesk.app("Notes"))
    answer = await partner.redeem(code)
    assert (answer.status_code, answer.json()["error_description"]) == (400, "The code is another client's.")


async def test_code_lives_for_a_minute(partner: Partner, browser: Browser) -> None:
    """Afterwards it is worth nothing. (Talkdesk's clock is moved, nobody waits.)"""
    ahead = timedelta()
    talkdesk = StandIn(apps=apps_at(partner.server.url), clock=lambda: datetime.now(UTC) + ahead)
    await talkdesk.start()
    partner.received.clear()
    await talkdesk.install(ACME, talkdesk.app("Wallboard"))
    talkdesk.sign_in(browser, ANA)
    code = (await partner.authorize(browser))["code"]
    ahead = timedelta(seconds=61)
    later = int((datetime.now(UTC) + ahead).timestamp())
    answer = await partner.redeem(code, assertion=partner.assertion(iat=later - 1, exp=later + 60))
    await talkdesk.stop()
    assert (answer.status_code, answer.json()["error_description"]) == (400, "The code has expired.")


async def test_no_sign_on_after_uninstall(talkdesk: StandIn, partner: Partner, anas_browser: Browser) -> None:
    """The client is gone from the authorization endpoint at once, and an open code is worth nothing."""
    code = (await partner.authorize(anas_browser))["code"]
    await talkdesk.uninstall(next(iter(talkdesk.state.installations.values())))
    data = partner.received[0].data
    page = await anas_browser.open(partner.authorization_url(client_id=data["client_id"]))
    assert (page.status, page.longest_chain) == (400, 0)
    assert (await partner.redeem(code)).status_code == 400


async def test_signed_out_user_has_to_sign_in(talkdesk: StandIn, partner: Partner, anas_browser: Browser) -> None:
    """After `user.logout` Talkdesk's own session is over too."""
    await talkdesk.user_logout(ANA)
    page = await anas_browser.open(partner.authorization_url())
    assert "Sign in to Acme" in page.text


async def test_refused_authorization(talkdesk: StandIn, partner: Partner, anas_browser: Browser) -> None:
    """A test can make the next authorization fail, once."""
    talkdesk.refuse_next_authorization("access_denied")
    assert (await partner.authorize(anas_browser))["error"] == "access_denied"
    assert "code" in await partner.authorize(anas_browser)


@pytest.mark.parametrize(
    "case",
    [
        (Pkce.ENFORCED, "v" * 43, 200),
        (Pkce.ENFORCED, "w" * 43, 400),
        (Pkce.ENFORCED, "", 400),
        (Pkce.IGNORED, "w" * 43, 200),
    ],
)
async def test_pkce(start: Started, partner: Partner, browser: Browser, case: tuple[Pkce, str, int]) -> None:
    """Enforced: without the right verifier the code is worth nothing. Ignored: as if it were not there."""
    pkce, verifier, status = case
    partner.received.clear()
    talkdesk = await start(Variants(pkce=pkce))
    await talkdesk.install(ACME, talkdesk.app("Wallboard"))
    talkdesk.sign_in(browser, ANA)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(b"v" * 43).digest()).rstrip(b"=").decode()
    answer = await partner.authorize(browser, code_challenge=challenge, code_challenge_method="S256")
    assert (await partner.redeem(answer["code"], code_verifier=verifier)).status_code == status


async def test_no_id_token(start: Started, partner: Partner, browser: Browser) -> None:
    """A variant without ID token."""
    partner.received.clear()
    talkdesk = await start(Variants(id_token=IdToken.NEVER))
    await talkdesk.install(GLOBEX, talkdesk.app("Wallboard"))
    talkdesk.sign_in(browser, CARLA)
    answer = await partner.authorize(browser)
    assert "id_token" not in (await partner.redeem(answer["code"])).json()
    assert [call.status for call in talkdesk.calls_to(Endpoint.TOKEN)] == [200]
