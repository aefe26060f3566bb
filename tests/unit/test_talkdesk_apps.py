"""The Apps API: when a token is fetched, and when not."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest

from broker.errors import TalkdeskError
from broker.model.installation import Installation
from broker.model.names import AppId, InstallationId
from broker.talkdesk.apps import AppsApi
from tests.unit.talkdesk_samples import CREDENTIALS, INSTALLATION, MovableClock, wire


class Server:
    """Gives tokens `token-1`, `token-2` …, and takes those that are not dead."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.tokens = 0
        self.dead: set[str] = set()
        self.token_answer: dict[str, Any] = {"expires_in": 600}
        self.clock = MovableClock()
        self.apps = AppsApi(wire(self._answer), self.clock, lambda: "jti")

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        await asyncio.sleep(0)
        if request.url.path == "/oauth/token":
            self.tokens += 1
            return httpx.Response(200, json={"access_token": f"token-{self.tokens}"} | self.token_answer)
        return httpx.Response(401 if request.headers["authorization"].removeprefix("Bearer ") in self.dead else 200)

    @property
    def states(self) -> list[tuple[str, bytes, str]]:
        """Path, body and token of each state call."""
        return [
            (each.url.raw_path.decode(), each.content, each.headers["authorization"])
            for each in self.requests
            if each.url.path != "/oauth/token"
        ]


@pytest.fixture
def server() -> Server:
    """It answers well."""
    return Server()


async def test_approve_sends_exactly_this(server: Server) -> None:
    """A token by client credentials for apps:write, then the state."""
    await server.apps.approve(INSTALLATION)
    form = dict(parse_qsl(server.requests[0].content.decode()))
    assert form.keys() == {"grant_type", "scope", "client_assertion_type", "client_assertion"}
    assert (form["grant_type"], form["scope"]) == ("client_credentials", "apps:write")
    assert server.states == [
        ("/apps/app-1/installations/installation-1/state", b'{"state":"approve"}', "Bearer token-1")
    ]


async def test_reject_says_why(server: Server) -> None:
    """The customer's administrator may read it."""
    await server.apps.reject(INSTALLATION, "no")
    assert server.states[0][1] == b'{"state":"reject","reason":"no"}'


async def test_a_token_serves_until_its_last_minute(server: Server) -> None:
    """600 s of life are 540 s of use."""
    await server.apps.approve(INSTALLATION)
    server.clock.go_on(timedelta(seconds=539))
    await server.apps.approve(INSTALLATION)
    assert server.tokens == 1
    server.clock.go_on(timedelta(seconds=1))
    await server.apps.approve(INSTALLATION)
    assert server.tokens == 2


@pytest.mark.parametrize("expires_in", [None, 0, -1, 30, "600", True, 1e12, 10**400])
async def test_a_token_of_unknown_or_short_life_serves_once(server: Server, expires_in: Any) -> None:
    """`expires_in` is only recommended, and anything may stand there."""
    server.token_answer = {} if expires_in is None else {"expires_in": expires_in}
    await server.apps.approve(INSTALLATION)
    await server.apps.approve(INSTALLATION)
    assert server.tokens == 2


async def test_answers_at_the_same_time_fetch_one_token(server: Server) -> None:
    """Ten at once."""
    await asyncio.gather(*(server.apps.approve(INSTALLATION) for _ in range(10)))
    assert server.tokens == 1
    assert len(server.states) == 10


async def test_a_401_gets_one_fresh_token(server: Server) -> None:
    """A token may die before its time, for instance with the old credentials."""
    await server.apps.approve(INSTALLATION)
    server.dead.add("token-1")
    await server.apps.approve(INSTALLATION)
    assert [token for _, _, token in server.states] == ["Bearer token-1", "Bearer token-1", "Bearer token-2"]


async def test_a_second_401_is_final(server: Server) -> None:
    """No third try."""
    server.dead |= {"token-1", "token-2", "token-3"}
    with pytest.raises(TalkdeskError) as raised:
        await server.apps.approve(INSTALLATION)
    assert (raised.value.status, raised.value.is_final) == (401, True)
    assert server.tokens == 2


async def test_new_credentials_get_a_new_token(server: Server) -> None:
    """What the old ones gave is not used with the new."""
    await server.apps.approve(INSTALLATION)
    await server.apps.approve(replace(INSTALLATION, credentials=replace(CREDENTIALS, client_id="client-2")))
    assert server.tokens == 2


async def test_each_installation_has_its_own_token(server: Server) -> None:
    """Talkdesk binds a token to its installation."""
    await server.apps.approve(INSTALLATION)
    await server.apps.approve(replace(INSTALLATION, id=InstallationId("installation-2")))
    assert server.tokens == 2


def named(app: str, installation: str) -> Installation:
    """An installation of these ids."""
    return replace(INSTALLATION, app=AppId(app), id=InstallationId(installation))


async def test_ids_are_parts_of_the_path_and_no_more(server: Server) -> None:
    """They are opaque: a slash in one chooses no other call."""
    await server.apps.approve(named("a/b", "c?d#e%2f"))
    assert server.states[0][0] == "/apps/a%2Fb/installations/c%3Fd%23e%252f/state"


@pytest.mark.parametrize(("app", "installation"), [("..", "x"), ("x", ".."), ("x", ".")])
async def test_an_id_that_would_climb_up_is_refused(server: Server, app: str, installation: str) -> None:
    """URLs are normalised on the way."""
    with pytest.raises(TalkdeskError) as raised:
        await server.apps.approve(named(app, installation))
    assert raised.value.is_final
    assert server.requests == []


async def test_without_credentials_nothing_is_sent(server: Server) -> None:
    """Erased credentials are a final answer."""
    with pytest.raises(TalkdeskError) as raised:
        await server.apps.approve(replace(INSTALLATION, credentials=None))
    assert (raised.value.status, raised.value.is_final) == (None, True)
    assert server.requests == []


async def test_an_acknowledgement_is_said_with_the_very_set(server: Server) -> None:
    """Its own token, and its client id in the path as one part."""
    new = replace(CREDENTIALS, client_id="a/b")
    await server.apps.approve(INSTALLATION)
    await server.apps.acknowledge(INSTALLATION, new)
    assert server.states[1] == (
        "/apps/app-1/installations/installation-1/credentials/a%2Fb/state",
        b'{"state":"acknowledged"}',
        "Bearer token-2",
    )


async def test_a_proof_is_asked_for_anew_each_time(server: Server) -> None:
    """What is remembered proves nothing about today."""
    await server.apps.approve(INSTALLATION)
    await server.apps.prove(INSTALLATION, CREDENTIALS)
    await server.apps.prove(INSTALLATION, CREDENTIALS)
    assert server.tokens == 3


DATE = "Wed, 25 Nov 2026 10:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "expected_s"),
    [
        ({"Retry-After": "30"}, 30),
        ({"Retry-After": " 0 "}, 0),
        ({"Retry-After": "Wed, 25 Nov 2026 10:02:00 GMT", "Date": DATE}, 120),
        ({"Retry-After": "Wed, 25 Nov 2026 09:00:00 GMT", "Date": DATE}, 0),
        ({"Retry-After": "Wed, 25 Nov 2026 10:02:00 GMT"}, None),
        ({"Retry-After": "Wed, 25 Nov 2026 10:02:00 -0000", "Date": DATE}, None),
        ({"Retry-After": "soon", "Date": DATE}, None),
        ({"Retry-After": "-1", "Date": DATE}, None),
        ({"Retry-After": "9" * 40}, None),
        ({}, None),
    ],
)
async def test_what_retry_after_says(headers: dict[str, str], expected_s: int | None) -> None:
    """Seconds, or a time by the server's own clock; what can't be read says nothing."""
    apps = AppsApi(wire(lambda _: httpx.Response(429, headers=headers)), MovableClock(), lambda: "jti")
    with pytest.raises(TalkdeskError) as raised:
        await apps.approve(INSTALLATION)
    expected = None if expected_s is None else timedelta(seconds=expected_s)
    assert raised.value.retry_after == expected
    assert not raised.value.is_final


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"error": "invalid_client", "error_description": "a secret"}', "invalid_client"),
        (b'{"error": "a secret, perhaps"}', None),
        (b'{"error": ["invalid_client"]}', None),
        (b"[]", None),
        (b"invalid_client", None),
    ],
)
async def test_of_a_refusal_only_the_code_is_said(body: bytes, code: str | None) -> None:
    """Whatever else it holds stays out of messages."""
    apps = AppsApi(wire(lambda _: httpx.Response(400, content=body)), MovableClock(), lambda: "jti")
    with pytest.raises(TalkdeskError) as raised:
        await apps.prove(INSTALLATION, CREDENTIALS)
    assert raised.value.code == code
    assert "secret" not in str(raised.value)
