"""The downstream app: plain OpenID Connect, and a back-channel logout that only Keycloak can cause."""

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlencode

import pytest
from joserfc.jwk import RSAKey

from demo.app import DownstreamApp
from demo.browser import Browser
from tests.demo.provider import EVENT, Provider
from tests.times import SecondsFromNow, told_now


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    provider = Provider()
    await provider.start()
    yield provider
    await provider.stop()


@pytest.fixture
async def app(provider: Provider) -> AsyncIterator[DownstreamApp]:
    app = DownstreamApp(name="Wallboard", issuer=provider.issuer, client_id="wallboard", client_secret="secret")
    await app.start()
    yield app
    await app.stop()


@pytest.fixture
async def signed_in(app: DownstreamApp, browser: Browser) -> Browser:
    page = await browser.open(app.start_url)
    assert "Ana Sousa" in page.text
    return browser


async def test_login(app: DownstreamApp, provider: Provider, browser: Browser) -> None:
    """From the start URL to the page that says who is signed in: no click, three redirects."""
    provider.claims |= {"talkdesk_user_id": "u1", "talkdesk_account_name": "Acme <&>", "talkdesk_apps": ["a1", "a2"]}
    page = await browser.open(f"{app.start_url}?iss={provider.issuer}")
    assert (page.url, page.status, page.longest_chain) == (f"{app.url}/", 200, 3)
    for text in ('id="name">Ana Sousa<', 'id="user-id">u1<', 'id="account">Acme &lt;&amp;&gt;<', 'id="apps">a1, a2<'):
        assert text in page.text


async def test_login_always_asks_anew(app: DownstreamApp, provider: Provider, signed_in: Browser) -> None:
    """Somebody else at Keycloak replaces whoever was signed in here."""
    provider.claims = {"sub": "bruno", "sid": "session-2", "name": "Bruno Costa"}
    page = await signed_in.open(app.start_url)
    assert "Bruno Costa" in page.text
    assert [each.sub for each in app.signed_in] == ["bruno"]


async def test_a_deep_link_is_kept_over_the_sign_on(app: DownstreamApp, browser: Browser) -> None:
    """Who is not signed in comes back to where they wanted to go."""
    page = await browser.open(f"{app.url}/boards/7")
    assert page.url == f"{app.url}/boards/7"
    assert "Wallboard, board 7" in page.text


@pytest.mark.parametrize("path", ["//evil.example", "/\\evil.example", "https://evil.example", "/a/../b", "/a?b", ""])
async def test_nobody_is_sent_to_another_site(app: DownstreamApp, browser: Browser, path: str) -> None:
    """Only to a path of this app."""
    page = await browser.open(f"{app.start_url}?{urlencode({'go_to': path})}")
    assert page.url == f"{app.url}/"


async def test_the_way_in_is_remembered(app: DownstreamApp, provider: Provider, browser: Browser) -> None:
    """A deep link hints at the identity provider of the last sign-on in this browser; the first one, and a launch, at none."""
    provider.claims |= {"identity_provider": "talkdesk-acme"}
    for url in (f"{app.url}/boards/7", app.start_url):
        assert "kc_idp_hint" not in "".join((await browser.open(url)).chain)
    app.sessions.end_all(sid=None, sub=app.signed_in[0].sub)
    assert "kc_idp_hint=talkdesk-acme" in "".join((await browser.open(f"{app.url}/boards/7")).chain)


async def test_login_of_another_issuer(app: DownstreamApp, browser: Browser) -> None:
    """`iss` names the provider to sign on with: an app with one provider refuses any other."""
    page = await browser.open(f"{app.start_url}?iss=https://attacker.example")
    assert (page.status, page.longest_chain) == (400, 0)


async def test_callback_of_another_browser(app: DownstreamApp, provider: Provider, browser: Browser) -> None:
    """A foreign answer signs nobody on as somebody else: the browser starts its own request."""
    page = await browser.open(f"{app.url}/callback?code=stolen&state=foreign")
    assert f"{app.url}/login?again=1" in page.chain
    page = await browser.open(f"{app.url}/callback?code=stolen&state=again.foreign")
    assert (page.url, page.status) == (f"{app.url}/", 200)
    browser.clear()
    page = await browser.open(f"{app.url}/callback?code=stolen&state=again.foreign")
    assert (page.status, "did not start" in page.text) == (400, True)


async def test_refusal_of_the_provider(app: DownstreamApp, browser: Browser) -> None:
    """An error answer is a page, escaped."""
    page = await browser.open(f"{app.url}/callback?error=access_denied&error_description=<b>no</b>&state=x")
    assert (page.status, "&lt;b&gt;no" in page.text) == (400, True)


async def test_logout_by_the_person(app: DownstreamApp, provider: Provider, signed_in: Browser) -> None:
    """Out of the app, through Keycloak, and back to its first page."""
    page = await signed_in.submit(f"{app.url}/logout", {})
    assert page.chain[1].startswith(f"{provider.issuer}/logout?")
    assert 'id="nobody"' in page.text


async def test_backchannel_logout_by_sid(app: DownstreamApp, provider: Provider, signed_in: Browser) -> None:
    """The session of that sid is over, another one of the same person is not."""
    provider.claims["sid"] = "session-2"
    async with Browser() as elsewhere:
        await elsewhere.open(app.start_url)
    assert await provider.post_logout(app.backchannel_logout_url, provider.logout_token()) == 200
    assert [each.sid for each in app.signed_in] == ["session-2"]
    assert 'id="nobody"' in (await signed_in.open(app.url)).text


async def test_backchannel_logout_by_sub(app: DownstreamApp, provider: Provider, signed_in: Browser) -> None:
    """Without sid all sessions of that person are over, and nobody else's."""
    provider.claims = {"sub": "bruno", "sid": "session-2", "name": "Bruno Costa"}
    async with Browser() as elsewhere:
        await elsewhere.open(app.start_url)
    assert await provider.post_logout(app.backchannel_logout_url, provider.logout_token(sid=None)) == 200
    assert [each.sub for each in app.signed_in] == ["bruno"]


async def test_logout_that_overtakes_the_callback(app: DownstreamApp, provider: Provider, browser: Browser) -> None:
    """A session that ended while the browser was on its way does not begin."""
    assert await provider.post_logout(app.backchannel_logout_url, provider.logout_token()) == 200
    page = await browser.open(app.start_url)
    assert 'id="nobody"' in page.text


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://attacker.example"},
        {"iss": None},
        {"aud": "notes"},
        {"aud": None},
        {"exp": SecondsFromNow(-60)},
        {"exp": None},
        {"iat": SecondsFromNow(3600)},
        {"iat": None},
        {"jti": None},
        {"events": None},
        {"events": {}},
        {"events": {EVENT: "yes"}},
        {"events": [EVENT]},
        {"nonce": "n"},
        {"sid": None, "sub": None},
        {"sid": ["session-1"], "sub": None},
        {"header": {"typ": "JWT"}},
        {"header": {"typ": None}},
        {"header": {"kid": "unknown"}},
        pytest.param({"key": RSAKey.generate_key(2048)}, id="another key"),
    ],
    ids=str,
)
async def test_false_logout_tokens(
    app: DownstreamApp, provider: Provider, signed_in: Browser, changes: dict[str, Any]
) -> None:
    """Whatever is wrong with it: 400, and the session lives on."""
    assert await provider.post_logout(app.backchannel_logout_url, provider.logout_token(**told_now(changes))) == 400
    assert len(app.signed_in) == 1


@pytest.mark.parametrize("token", ["", "not a token", "eyJhbGciOiJub25lIiwia2lkIjoiZmlyc3QifQ.e30."])
async def test_no_token_at_all(app: DownstreamApp, provider: Provider, signed_in: Browser, token: str) -> None:
    """Unreadable or unsigned: 400."""
    assert await provider.post_logout(app.backchannel_logout_url, token) == 400


async def test_id_token_is_no_logout_token(app: DownstreamApp, provider: Provider, signed_in: Browser) -> None:
    """The provider signed it for this app, and still it ends nothing."""
    id_token = app.signed_in[0].id_token
    assert await provider.post_logout(app.backchannel_logout_url, id_token) == 400
    assert len(app.signed_in) == 1


async def test_logout_token_is_for_one_use(app: DownstreamApp, provider: Provider, signed_in: Browser) -> None:
    """The same token again is refused."""
    token = provider.logout_token()
    answers = [await provider.post_logout(app.backchannel_logout_url, token) for _ in range(2)]
    assert answers == [200, 400]


async def test_new_key_of_the_provider(app: DownstreamApp, provider: Provider, signed_in: Browser) -> None:
    """An unknown kid makes the app fetch the keys once more, but not at every try."""
    for _ in range(3):
        await provider.post_logout(app.backchannel_logout_url, provider.logout_token(header={"kid": "invented"}))
    assert provider.key_requests == 2


async def test_rotated_key(app: DownstreamApp, provider: Provider, signed_in: Browser) -> None:
    """After Keycloak changed its key, its logout tokens still count."""
    provider.key = RSAKey.generate_key(2048, {"kid": "second", "use": "sig"})
    assert await provider.post_logout(app.backchannel_logout_url, provider.logout_token()) == 200
    assert app.signed_in == []


async def test_logout_while_the_provider_is_down(app: DownstreamApp, provider: Provider) -> None:
    """Keys that can't be fetched are our trouble, not the token's: 503, so that it comes again."""
    await provider.stop()
    assert await provider.post_logout(app.backchannel_logout_url, provider.logout_token()) == 503
