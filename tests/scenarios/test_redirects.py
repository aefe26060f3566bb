"""Nothing that a request says decides where a browser goes: no parameter of any route, and no header."""

import json
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest

from demo.talkdesk import ACME, ANA, Installation
from tests.raw_http import RawConnection
from tests.scenarios.test_attacks import parameters_at_authorize, stopped_at
from tests.world import World

pytestmark = pytest.mark.thorough

EVIL = "attacker.example"
TARGETS = (
    f"https://{EVIL}/",
    f"//{EVIL}/",
    f"/\\{EVIL}",
    f"javascript:alert('{EVIL}')",
    f"x\r\nLocation: https://{EVIL}/",
)
EVERY_PARAMETER = (
    "talkdesk_installation_id",
    "talkdesk_user_id",
    "state",
    "code",
    "iss",
    "error",
    "error_description",
    "error_uri",
    "session_state",
    "client_id",
    "redirect_uri",
    "response_type",
    "response_mode",
    "scope",
    "nonce",
    "prompt",
    "login_hint",
    "request_uri",
    "target_link_uri",
    "post_logout_redirect_uri",
    "talkdesk_proof",
    "next",
    "url",
    "return_to",
)
ROUTES = ("/talkdesk/launch", "/talkdesk/callback", "/launch/return", "/launch/resume", "/oidc/{slug}/authorize")


def addresses_in(answer: httpx.Response) -> Iterator[str]:
    """Wherever an answer may send a browser: by itself, or by a click."""
    yield from answer.headers.get_list("location")
    yield from answer.headers.get_list("refresh")
    for mark in ('href="', "href='", "url="):
        for part in answer.text.split(mark)[1:]:
            yield part.split('"')[0]


def assert_stays(answer: httpx.Response, route: str, name: str) -> None:
    """Only our own addresses, Keycloak's, and what the operator configured; what came is at most a value in a query."""
    for address in addresses_in(answer):
        target = urlsplit(address.partition("url=")[2] if address[:1].isdigit() else address)
        assert EVIL not in target.netloc, (route, name, address)
        assert target.scheme in ("", "http", "https", "mailto", "tel"), (route, name, address)
        assert not target.path.startswith(("//", "/\\")), (route, name, address)
    assert EVIL not in answer.headers.get("set-cookie", "")


async def test_no_parameter_of_any_route_leads_away(world: World) -> None:
    """Each parameter alone, and beside those of a launch that would be good, on every route of browsers."""
    installation = await world.install(ACME)
    good = await parameters_at_authorize(world, installation)
    async with httpx.AsyncClient(base_url=world.broker.url, trust_env=False) as client:
        for path in ROUTES:
            route = path.format(slug=installation.id)
            around = good if path.startswith("/oidc") else {"talkdesk_installation_id": installation.id}
            for name in EVERY_PARAMETER:
                for target in TARGETS:
                    for query in ({name: target}, {**around, name: target}):
                        answer = await client.get(route, params=query)
                        assert answer.status_code < 500, (route, query, answer.text)
                        assert_stays(answer, route, name)


async def test_no_parameter_of_an_answer_leads_away(world: World) -> None:
    """Beside a state that is good, in the browser that it belongs to: where an answer would be believed if any were."""
    installation = await world.install(ACME)
    for path in ("/talkdesk/callback", "/launch/return"):
        for name in ("code", "iss", "error", "error_description", "redirect_uri"):
            browser = world.browser(ANA)
            url = await stopped_at(world, installation, browser, path)
            query = dict(parse_qsl(urlsplit(url).query))
            page = await browser.open(f"{world.broker.url}{path}?{urlencode({**query, name: TARGETS[0]})}")
            assert all(EVIL not in urlsplit(visited).netloc for visited in page.chain), (path, name)


HOSTS = [EVIL, f"{EVIL}/talkdesk/launch?x=", f"127.0.0.1@{EVIL}", "[", "x" * 3000, "", "a b", "\xff\xfe"]


def get(target: str, headers: str) -> bytes:
    """A request as bytes, with these headers and no other."""
    return f"GET {target} HTTP/1.1\r\n{headers}\r\n\r\n".encode("latin-1")


@pytest.mark.parametrize("host", HOSTS)
async def test_no_host_or_forwarded_header_is_believed(world: World, host: str) -> None:
    """Neither in a page, a redirect, a cookie nor in discovery; and none breaks anything."""
    installation = await world.install(ACME)
    forwarded = "".join(
        f"\r\n{name}: {EVIL}"
        for name in ("X-Forwarded-Host", "X-Forwarded-Server", "X-Original-Host", "X-Host", "X-Original-URL")
    )
    headers = (
        f"Host: {host}{forwarded}\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Prefix: //{EVIL}\r\nForwarded: host={EVIL}"
    )
    connection = RawConnection(urlsplit(world.broker.url).port or 0)
    for target in _targets(installation):
        answer = await connection.send(get(target, headers))
        assert answer is not None
        assert answer.status < 500, answer
        assert EVIL.encode() not in answer.body, target
        if answer.status == 200 and "openid-configuration" in target:
            assert json.loads(answer.body)["issuer"] == f"{world.broker.url}/oidc/{installation.id}"
    connection.close()


def _targets(installation: Installation) -> Iterator[str]:
    """A page that goes on, error pages with and without a way to try again, and what programs read."""
    yield f"/talkdesk/launch?talkdesk_installation_id={installation.id}"
    yield "/talkdesk/launch?talkdesk_installation_id=unknown"
    yield "/talkdesk/callback?state=unknown"
    yield "/launch/return"
    yield "/launch/resume"
    yield f"/oidc/{installation.id}/authorize"
    yield f"/oidc/{installation.id}/.well-known/openid-configuration"
    yield "/nowhere"
