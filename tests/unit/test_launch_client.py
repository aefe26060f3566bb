"""The broker as relying party of the realm, and its call to the logout endpoint: what goes over the wire."""

from base64 import b64decode
from collections.abc import Callable
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import pytest

from broker.errors import KeycloakError
from broker.model.names import Alias
from broker.realm.launch_client import KeycloakLaunchClient
from broker.realm.logout import KeycloakLogoutEndpoint

Answer = Callable[[httpx.Request], httpx.Response]


def refused(request: httpx.Request) -> httpx.Response:
    """Nobody is there."""
    raise httpx.ConnectError("refused", request=request)


def launch_client(answer: Answer) -> KeycloakLaunchClient:
    """The client under test, with a secret that needs escaping."""
    return KeycloakLaunchClient(
        browser_url="https://id.example.com",
        base_url="http://keycloak:8080",
        realm="talkdesk",
        client_id="talkdesk-launch",
        client_secret="a:b%c+d",
        redirect_uri="https://broker.example.com/launch/return",
        client=httpx.AsyncClient(transport=httpx.MockTransport(answer)),
    )


def test_the_authorization_request_is_exactly_this() -> None:
    """At the address that browsers know, with hint and challenge, and without `prompt`."""
    url = launch_client(refused).authorization_url(
        alias=Alias("talkdesk-a"), state="s&t", nonce="n", code_challenge="c"
    )

    parts = urlsplit(url)
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == (
        "https://id.example.com/realms/talkdesk/protocol/openid-connect/auth"
    )
    assert parse_qsl(parts.query) == [
        ("response_type", "code"),
        ("client_id", "talkdesk-launch"),
        ("redirect_uri", "https://broker.example.com/launch/return"),
        ("scope", "openid"),
        ("state", "s&t"),
        ("nonce", "n"),
        ("code_challenge", "c"),
        ("code_challenge_method", "S256"),
        ("kc_idp_hint", "talkdesk-a"),
    ]


async def test_a_code_is_exchanged_at_the_internal_address() -> None:
    """Once, with the secret in the header only, both parts of it escaped."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"id_token": "the.id.token", "access_token": "x"})

    assert await launch_client(answer).exchange("the-code", "the-verifier") == "the.id.token"

    [request] = seen
    assert str(request.url) == "http://keycloak:8080/realms/talkdesk/protocol/openid-connect/token"
    assert b64decode(request.headers["Authorization"].removeprefix("Basic ")) == b"talkdesk-launch:a%3Ab%25c%2Bd"
    assert parse_qs(request.content.decode()) == {
        "grant_type": ["authorization_code"],
        "code": ["the-code"],
        "redirect_uri": ["https://broker.example.com/launch/return"],
        "code_verifier": ["the-verifier"],
    }


@pytest.mark.parametrize(
    ("answer", "status", "is_final"),
    [
        (httpx.Response(400, json={"error": "invalid_grant"}), 400, True),
        (httpx.Response(401, json={"error": "invalid_client"}), 401, True),
        (httpx.Response(302, headers={"Location": "http://elsewhere"}), 302, False),
        (httpx.Response(503), 503, False),
        (httpx.Response(200, json={"access_token": "x"}), 200, True),
        (httpx.Response(200, json={"id_token": 7}), 200, True),
        (httpx.Response(200, json=[]), 200, True),
        (httpx.Response(200, html="<h1>Welcome</h1>"), 200, True),
    ],
)
async def test_anything_but_an_id_token_is_an_error(answer: httpx.Response, status: int, is_final: bool) -> None:
    """A refused code is refused for good."""
    with pytest.raises(KeycloakError) as caught:
        await launch_client(lambda _: answer).exchange("the-code", "v")

    assert (caught.value.status, caught.value.is_final) == (status, is_final)
    assert "the-code" not in str(caught.value)


async def test_no_answer_to_an_exchange_is_an_error_that_may_pass() -> None:
    """Keycloak is away."""
    with pytest.raises(KeycloakError) as caught:
        await launch_client(refused).exchange("c", "v")

    assert (caught.value.status, caught.value.is_final) == (None, False)


def logout_endpoint(answer: Answer) -> KeycloakLogoutEndpoint:
    """The endpoint under test."""
    client = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    return KeycloakLogoutEndpoint("http://keycloak:8080", "talkdesk", client)


@pytest.mark.parametrize("status", [200, 204, 400, 501, 504])
async def test_a_logout_token_is_posted_and_the_status_given_back(status: int) -> None:
    """What the status means is the caller's business."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(status)

    assert await logout_endpoint(answer).post("the.logout.token") == status

    [request] = seen
    assert str(request.url) == (
        "http://keycloak:8080/realms/talkdesk/protocol/openid-connect/logout/backchannel-logout"
    )
    assert request.method == "POST"
    assert parse_qs(request.content.decode()) == {"logout_token": ["the.logout.token"]}
    assert "Authorization" not in request.headers


async def test_no_answer_to_a_logout_token_is_an_error_that_may_pass() -> None:
    """The sessions still live: the caller comes again."""
    with pytest.raises(KeycloakError) as caught:
        await logout_endpoint(refused).post("t")

    assert (caught.value.status, caught.value.is_final) == (None, False)
