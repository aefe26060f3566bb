"""Other people's states, codes, browsers and installations."""

from collections.abc import Callable
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from demo.browser import Browser, Page
from demo.talkdesk import ACME, ANA, BRUNO, GLOBEX, Endpoint, Installation, Variants
from demo.talkdesk.variants import Pkce
from tests.fakes.keycloak import KeycloakImitation
from tests.scenarios.test_sign_on import assert_recorded_page
from tests.world import OpenWorld, World, users_of

pytestmark = pytest.mark.thorough

PLAIN = httpx.AsyncClient


async def parameters_at_authorize(world: World, installation: Installation) -> dict[str, str]:
    """Keycloak's authorization request for this installation, as a browser carries it."""
    page = await world.launch(world.browser(ANA), installation, ANA)
    url = next(url for url in page.chain if urlsplit(url).path.endswith("/authorize") and "/oidc/" in url)
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


async def at_authorize(world: World, installation: Installation, parameters: dict[str, str]) -> httpx.Response:
    """The issuer's answer."""
    async with PLAIN() as client:
        return await client.get(f"{world.broker.url}/oidc/{installation.id}/authorize", params=parameters)


Change = Callable[[dict[str, str]], object]


@pytest.mark.parametrize(
    "change",
    [
        lambda given: given.update(client_id="talkdesk-other"),
        lambda given: given.pop("client_id"),
        lambda given: given.update(redirect_uri="https://attacker.example/"),
        lambda given: given.update(redirect_uri=given["redirect_uri"] + "/"),
        lambda given: given.update(redirect_uri=given["redirect_uri"] + "?x=1"),
        lambda given: given.pop("redirect_uri"),
        lambda given: given.update(response_type="token"),
        lambda given: given.update(response_mode="fragment"),
        lambda given: given.update(scope="email"),
        lambda given: given.update(prompt="none"),
        lambda given: given.update(request="eyJhbGciOiJub25lIn0.e30."),
        lambda given: given.update(request_uri="https://attacker.example/r"),
        lambda given: given.pop("state"),
        lambda given: given.pop("code_challenge"),
        lambda given: given.update(code_challenge_method="plain"),
        lambda given: given.pop("code_challenge_method"),
        lambda given: given.update(state="x" * 4001),
    ],
)
async def test_a_wrong_authorization_request_ends_on_our_page(world: World, change: Change) -> None:
    """Never a redirect: neither to an attacker nor back to Keycloak."""
    installation = await world.install(ACME)
    given = await parameters_at_authorize(world, installation)
    change(given)
    answer = await at_authorize(world, installation, given)
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert "could not be opened" in answer.text


async def test_a_parameter_that_comes_twice_is_refused(world: World) -> None:
    """RFC 6749, 3.1."""
    installation = await world.install(ACME)
    given = await parameters_at_authorize(world, installation)
    async with PLAIN() as client:
        query = urlencode([*given.items(), ("scope", "openid")])
        answer = await client.get(f"{world.broker.url}/oidc/{installation.id}/authorize?{query}")
    assert answer.status_code == 400


async def test_the_request_of_one_installation_is_nothing_at_another(world: World) -> None:
    """Client and redirect URI belong to one issuer."""
    acme, globex = await world.install(ACME), await world.install(GLOBEX)
    given = await parameters_at_authorize(world, acme)
    assert (await at_authorize(world, globex, given)).status_code == 400


async def stopped_at(world: World, installation: Installation, browser: Browser, path: str) -> str:
    """Launch, and keep the address at which the browser would come to `path`, unused."""
    launch_url = world.talkdesk.launch_url(installation, ANA)
    return (await browser.open(launch_url, on=world.talkdesk.url, stop_before=path)).url


PATHS = ["/talkdesk/callback", "/launch/return"]


@pytest.mark.parametrize("path", PATHS)
async def test_an_answer_in_another_browser_is_refused_and_spoils_nothing(world: World, path: str) -> None:
    """A stolen link is worth nothing, and the person whose it is still gets in."""
    installation = await world.install(ACME)
    browser = world.browser(ANA)
    url = await stopped_at(world, installation, browser, path)
    stolen = await world.browser(BRUNO).open(url)
    assert stolen.status == 400
    assert_recorded_page(stolen)
    assert not world.wallboard.signed_in
    assert (await browser.open(url)).url == f"{world.wallboard.url}/"


@pytest.mark.parametrize("path", PATHS)
async def test_an_answer_works_once(world: World, path: str) -> None:
    """The second time nothing of it is used: the launch starts anew, from its very beginning, in whichever browser."""
    installation = await world.install(ACME)
    browser = world.browser(ANA)
    url = await stopped_at(world, installation, browser, path)
    await browser.open(url)
    stolen = await world.browser(BRUNO).open(url, stop_before="/talkdesk/launch")
    assert len(stolen.chain) == 2
    assert stolen.url.startswith(f"{world.broker.url}/talkdesk/launch?talkdesk_installation_id={installation.id}")
    page = await browser.open(url)
    assert page.url == f"{world.wallboard.url}/"
    assert all(call.status == 200 for call in world.talkdesk.calls_to(Endpoint.TOKEN)), "no code was sent twice"
    assert users_of(world.wallboard) == [ANA.id]


@pytest.mark.parametrize("pkce", Pkce)
async def test_anothers_code_in_ones_own_answer_is_refused(opened: OpenWorld, pkce: Pkce) -> None:
    """Bruno got hold of Ana's code before she came with it, and brings it to the callback with his own state, in his own browser."""
    async with opened(variants=Variants(pkce=pkce)) as world:
        installation = await world.install(ACME)
        anas = await stopped_at(world, installation, world.browser(ANA), "/talkdesk/callback")
        bruno = world.browser(BRUNO)
        own = await stopped_at(world, installation, bruno, "/talkdesk/callback")
        forged, stolen = (parse_qs(urlsplit(url).query) for url in (own, anas))
        query = urlencode({"state": forged["state"][0], "code": stolen["code"][0]})
        page = await bruno.open(f"{world.broker.url}/talkdesk/callback?{query}")
        assert page.status == 502
        assert_recorded_page(page)
        assert not world.wallboard.signed_in


def codes_at_keycloak(page: Page) -> list[str]:
    """Our codes, as they travelled through the browser to Keycloak."""
    return [
        code
        for url in map(urlsplit, page.chain)
        if "/broker/talkdesk-" in url.path and url.path.endswith("/endpoint")
        for code in parse_qs(url.query)["code"]
    ]


async def test_a_code_that_comes_twice_ends_what_it_gave(world: World) -> None:
    """Bruno brings Ana's used code into his own sign-on: he gets nothing, and hers ends, since who used it first is not certain."""
    installation = await world.install(ACME)
    [code] = codes_at_keycloak(await world.launch(world.browser(ANA), installation, ANA))
    assert users_of(world.wallboard) == [ANA.id]
    realm = urlsplit(world.realm.realm_url)
    path = f"{realm.path}/broker/{await world.alias(installation)}/endpoint"
    bruno = world.browser(BRUNO)
    own = parse_qs(urlsplit(await stopped_at(world, installation, bruno, path)).query)
    forged = {name: values[0] for name, values in own.items()} | {"code": code}
    page = await bruno.open(f"{realm.scheme}://{realm.netloc}{path}?{urlencode(forged)}")
    assert page.url != f"{world.wallboard.url}/"
    await world.signed_out(world.wallboard)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("query", ["", "state=", "state=unknown&code=x", "state=a&state=b", "error=access_denied"])
async def test_an_answer_to_nothing_is_a_page(world: World, path: str, query: str) -> None:
    """Nothing is issued."""
    page = await world.browser().open(f"{world.broker.url}{path}?{query}")
    assert page.status == 400
    assert_recorded_page(page)


async def test_talkdesks_error_is_not_repeated_on_the_page(world: World) -> None:
    """What stands in a URL may be anybody's."""
    installation = await world.install(ACME)
    browser = world.browser(ANA)
    url = await stopped_at(world, installation, browser, "/talkdesk/callback")
    state = parse_qs(urlsplit(url).query)["state"][0]
    evil = urlencode({"state": state, "error": "<b>call +1</b>", "error_description": "<script>x</script>"})
    page = await browser.open(f"{world.broker.url}/talkdesk/callback?{evil}")
    assert page.status == 403
    assert "call +1" not in page.text
    assert "<script>x" not in page.text


@pytest.mark.parametrize("iss", [None, "https://attacker.example/realms/talkdesk"])
async def test_an_answer_of_another_issuer_is_refused(world: World, iss: str | None) -> None:
    """RFC 9207: it must say that it comes from our realm."""
    installation = await world.install(ACME)
    browser = world.browser(ANA)
    url = await stopped_at(world, installation, browser, "/launch/return")
    given = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    del given["iss"]
    page = await browser.open(f"{world.broker.url}/launch/return?{urlencode(given | ({'iss': iss} if iss else {}))}")
    assert page.status == 400
    assert_recorded_page(page)


async def token_request(world: World, installation: Installation, form: dict[str, str] | bytes) -> httpx.Response:
    """At the token endpoint, by somebody who is not Keycloak."""
    async with PLAIN() as client:
        url = f"{world.broker.url}/oidc/{installation.id}/token"
        if isinstance(form, bytes):
            return await client.post(url, content=form, headers={"content-type": "application/json"})
        return await client.post(url, data=form)


@pytest.mark.parametrize(
    ("form", "error", "status"),
    [
        ({}, "invalid_request", 400),
        ({"grant_type": "authorization_code", "code": "x"}, "invalid_client", 401),
        ({"client_id": "talkdesk-x", "client_secret": "guess"}, "invalid_client", 401),
        (b"{}", "invalid_request", 400),
    ],
)
async def test_nobody_but_keycloak_redeems_a_code(
    world: World, form: dict[str, str] | bytes, error: str, status: int
) -> None:
    """RFC 6749, 5.2."""
    installation = await world.install(ACME)
    answer = await token_request(world, installation, form)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.headers["cache-control"] == "no-store"


async def test_what_keycloak_calls_closes_its_connection(world: World, keycloak: KeycloakImitation) -> None:
    """Its pool would keep a dead one over our restart, and repeat no POST."""
    installation = await world.install(ACME)
    answer = await token_request(world, installation, {})
    assert answer.headers["connection"] == "close"


async def test_every_page_on_the_way_is_safe(world: World) -> None:
    """No store, no referrer, not framable, strict policy: also the pages that nobody sees for long."""
    page: Page = await world.browser().open(f"{world.broker.url}/talkdesk/launch")
    for name, value in (("cache-control", "no-store"), ("referrer-policy", "no-referrer"), ("x-frame-options", "DENY")):
        assert page.headers[name] == value
    assert "default-src 'none'" in page.headers["content-security-policy"]
