"""Sign-on at Talkdesk: the exact requests, and answers that nobody should give."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from broker.errors import TalkdeskError
from broker.model.installation import Installation
from broker.talkdesk.links import Hosts
from broker.talkdesk.oauth import OAuth
from tests.unit.talkdesk_samples import HOSTS, INSTALLATION, KEY, NOW, wire

REDIRECT_URL = "https://broker.example/talkdesk/callback"
GOOD = {"access_token": "at-1", "token_type": "Bearer", "expires_in": 600, "id_token": "it-1"}
OURS = {
    "response_type": "code",
    "client_id": "client-1",
    "redirect_uri": REDIRECT_URL,
    "scope": "openid",
    "state": "s",
    "nonce": "n",
    "code_challenge": "c",
    "code_challenge_method": "S256",
}


class Server:
    """Gives one answer; keeps the requests."""

    def __init__(self, answer: Callable[[], httpx.Response], hosts: Hosts = HOSTS) -> None:
        self.requests: list[httpx.Request] = []
        self.answer = answer
        self.oauth = OAuth(wire(self._answer, hosts), REDIRECT_URL, lambda: NOW, lambda: "jti-1")

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.answer()


def at(authorization: str) -> Installation:
    """The installation with another authorization link."""
    assert INSTALLATION.links
    return replace(INSTALLATION, links=replace(INSTALLATION.links, authorization=authorization))


def url_of(installation: Installation) -> str:
    """The authorization URL."""
    oauth = Server(lambda: httpx.Response(500)).oauth
    return oauth.authorization_url(installation, state="s", nonce="n", code_challenge="c")


def test_the_authorization_url_has_exactly_these_parameters() -> None:
    """Scope openid and nothing more: the broker acts for nobody at Talkdesk."""
    url = urlsplit(url_of(INSTALLATION))
    assert f"{url.scheme}://{url.netloc}{url.path}" == "https://acme.talkdeskid.com/oauth/authorize"
    assert dict(parse_qsl(url.query)) == OURS
    assert len(parse_qsl(url.query)) == len(OURS)


def test_a_query_of_the_link_stays() -> None:
    """The link is Talkdesk's to write; a parameter of ours is there once."""
    url = urlsplit(url_of(at("https://acme.talkdeskid.com/a?tenant=a%26b&tenant=2&state=theirs")))
    assert parse_qs(url.query) == {name: [value] for name, value in OURS.items()} | {"tenant": ["a&b", "2"]}


def test_a_host_that_is_no_longer_listed_is_not_used() -> None:
    """The allow-list counts at each use, not only when the link came."""
    with pytest.raises(TalkdeskError, match="not a listed host"):
        url_of(at("https://acme.example/authorize"))


async def test_the_exchange_sends_exactly_this() -> None:
    """Code, redirect URL, verifier and the assertion for this very endpoint; no client secret."""
    server = Server(lambda: httpx.Response(200, json=GOOD))
    answer = await server.oauth.exchange(INSTALLATION, code="code-1", code_verifier="verifier-1")
    [request] = server.requests
    form = dict(parse_qsl(request.content.decode()))
    claims = jwt.decode(form.pop("client_assertion"), ECKey.import_key(KEY.public_key()), algorithms=["ES256"]).claims
    assert form == {
        "grant_type": "authorization_code",
        "code": "code-1",
        "redirect_uri": REDIRECT_URL,
        "code_verifier": "verifier-1",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    }
    assert claims["aud"] == str(request.url) == "https://acme.talkdeskid.com/oauth/token"
    assert (claims["iss"], claims["sub"], claims["jti"]) == ("client-1", "client-1", "jti-1")
    assert "authorization" not in request.headers
    assert (answer.access_token, answer.id_token) == ("at-1", "it-1")


@pytest.mark.parametrize(
    ("date", "answered_at"),
    [
        ("Fri, 02 Jan 2026 03:04:09 GMT", datetime(2026, 1, 2, 3, 4, 9, tzinfo=UTC)),
        ("Fri, 02 Jan 2026 03:04:09 -0000", datetime(2026, 1, 2, 3, 4, 9, tzinfo=UTC)),
        ("Fri, 02 Jan 2026 04:04:09 +0100", datetime(2026, 1, 2, 3, 4, 9, tzinfo=UTC)),
        (None, NOW.replace(microsecond=0)),
        ("", NOW.replace(microsecond=0)),
        ("yesterday", NOW.replace(microsecond=0)),
        ("Fri, 32 Jan 2026 03:04:09 GMT", NOW.replace(microsecond=0)),
    ],
)
async def test_the_time_of_the_answer_is_talkdesks(date: str | None, answered_at: datetime) -> None:
    """`Date` if there is one, else our clock before the question."""
    headers = {} if date is None else {"Date": date}
    server = Server(lambda: httpx.Response(200, json=GOOD, headers=headers))
    assert (await server.oauth.exchange(INSTALLATION, code="c", code_verifier="v")).answered_at == answered_at


@pytest.mark.parametrize("id_token", [None, "", 7])
async def test_an_id_token_may_be_missing(id_token: Any) -> None:
    """Whether `openid` always brings one is not documented."""
    server = Server(lambda: httpx.Response(200, json=GOOD | {"id_token": id_token}))
    assert (await server.oauth.exchange(INSTALLATION, code="c", code_verifier="v")).id_token is None


BAD_ANSWERS: dict[str, tuple[httpx.Response, int | None, bool]] = {
    "no JSON": (httpx.Response(200, content=b"<html>"), 200, False),
    "no object": (httpx.Response(200, json=["access_token"]), 200, False),
    "nested without end": (httpx.Response(200, content=b"[" * 200_000), 200, False),
    "not text": (httpx.Response(200, content=b"\xff\xfe{"), 200, False),
    "too big": (httpx.Response(200, content=b" " * 300_000), None, False),
    "a redirect": (httpx.Response(307, headers={"Location": "https://acme.talkdeskid.com/"}), 307, False),
    **{str(status): (httpx.Response(status, json=GOOD), status, True) for status in (400, 401, 403, 404, 409)},
    **{str(status): (httpx.Response(status, json=GOOD), status, False) for status in (408, 425, 429, 500, 503)},
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
async def test_a_bad_answer_is_an_error_and_the_code_is_not_sent_again(name: str) -> None:
    """With its status, whether that is final, and nothing of what was sent or answered; one request, no redirect followed."""
    answer, status, is_final = BAD_ANSWERS[name]
    server = Server(lambda: answer)
    with pytest.raises(TalkdeskError) as raised:
        await server.oauth.exchange(INSTALLATION, code="the-code", code_verifier="the-verifier")
    assert (raised.value.status, raised.value.is_final) == (status, is_final)
    assert "the-" not in str(raised.value)
    assert len(server.requests) == 1


@pytest.mark.parametrize("content", [{}, {"access_token": ""}, {"access_token": 7}])
async def test_an_answer_without_access_token_is_an_error(content: Any) -> None:
    """There is nothing to ask userinfo with."""
    with pytest.raises(TalkdeskError, match="access_token"):
        await Server(lambda: httpx.Response(200, json=content)).oauth.exchange(
            INSTALLATION, code="c", code_verifier="v"
        )


async def test_no_answer_is_an_error_and_the_code_is_not_sent_again() -> None:
    """Talkdesk may have taken it before the connection broke."""

    def broken() -> httpx.Response:
        raise httpx.ReadError("the-secret")

    server = Server(broken)
    with pytest.raises(TalkdeskError) as raised:
        await server.oauth.exchange(INSTALLATION, code="c", code_verifier="v")
    assert (raised.value.status, raised.value.is_final) == (None, False)
    assert "the-secret" not in str(raised.value)
    assert len(server.requests) == 1


async def test_userinfo_is_asked_with_the_token() -> None:
    """In the header, never in the URL."""
    server = Server(lambda: httpx.Response(200, json={"sub": "u"}))
    assert await server.oauth.userinfo(INSTALLATION, "at-1") == {"sub": "u"}
    [request] = server.requests
    assert str(request.url) == "https://api.talkdeskapp.com/userinfo"
    assert request.headers["authorization"] == "Bearer at-1"


@pytest.mark.parametrize("token", ["", "a b", "a\r\nX: y", "é"])
async def test_a_token_that_would_break_the_header_is_not_sent(token: str) -> None:
    """It comes from outside too."""
    server = Server(lambda: httpx.Response(200, json={}))
    with pytest.raises(TalkdeskError, match="header"):
        await server.oauth.userinfo(INSTALLATION, token)
    assert server.requests == []


async def test_nothing_is_sent_to_a_host_that_is_no_longer_listed() -> None:
    """Neither the code nor the access token."""
    server = Server(lambda: httpx.Response(200, json=GOOD), Hosts(frozenset(), frozenset({"acme.example"})))
    with pytest.raises(TalkdeskError, match="not a listed host"):
        await server.oauth.exchange(INSTALLATION, code="c", code_verifier="v")
    with pytest.raises(TalkdeskError, match="not a listed host"):
        await server.oauth.userinfo(INSTALLATION, "at-1")
    assert server.requests == []


async def test_without_credentials_nothing_is_sent() -> None:
    """An installation that is gone has none."""
    gone = replace(INSTALLATION, credentials=None)
    server = Server(lambda: httpx.Response(200, json=GOOD))
    with pytest.raises(TalkdeskError) as raised:
        await server.oauth.exchange(gone, code="c", code_verifier="v")
    assert raised.value.is_final
    assert server.requests == []
