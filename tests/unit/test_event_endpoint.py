"""`POST /talkdesk/events` as HTTP: limits on the way in, answers on the way out."""

import asyncio
import json
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from broker.events.endpoint import router
from broker.events.receive import MAX_BODY_BYTES
from tests.unit.event_samples import body_of, sign, user_logout
from tests.unit.test_event_receive import KEY, Intake

BODY = body_of(user_logout())


@pytest.fixture
def intake() -> Intake:
    """Any account may install."""
    return Intake()


@pytest.fixture
def app(intake: Intake) -> FastAPI:
    """Nothing but this route."""
    app = FastAPI()
    app.include_router(router(intake.receive, read_within_s=0.2))
    return app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Speaks to it without a socket."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://broker") as client:
        yield client


async def test_a_signed_event_is_202_with_nothing_to_say(client: httpx.AsyncClient, intake: Intake) -> None:
    """Whatever content type it names: the body is what is signed."""
    headers = sign(KEY, BODY) | {"Content-Type": "text/plain"}
    answer = await client.post("/talkdesk/events", content=BODY, headers=headers)
    assert (answer.status_code, answer.content) == (202, b"")
    assert [event.body for event, _, _ in intake.events.stored] == [BODY]


async def test_a_body_in_pieces_is_one_body(client: httpx.AsyncClient) -> None:
    """The signature is over all of it."""

    async def pieces() -> AsyncIterator[bytes]:
        for byte in BODY:
            yield bytes([byte])

    answer = await client.post("/talkdesk/events", content=pieces(), headers=sign(KEY, BODY))
    assert answer.status_code == 202


async def test_a_refusal_is_a_reason_and_no_more(client: httpx.AsyncClient) -> None:
    """The detail is for the log."""
    answer = await client.post("/talkdesk/events", content=BODY)
    assert (answer.status_code, answer.json()) == (401, {"reason": "unsigned"})


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
async def test_other_methods_are_405(client: httpx.AsyncClient, method: str) -> None:
    """There is nothing to see here."""
    assert (await client.request(method, "/talkdesk/events")).status_code == 405


class Sender:
    """A sender as ASGI sees it, that says how much of it was read."""

    def __init__(self, pieces: list[dict[str, Any]], headers: dict[str, str] | None = None) -> None:
        self.pieces = pieces
        self.read = 0
        self.status = 0
        self.body = b""
        self.headers: dict[bytes, bytes] = {}
        self._sent = {name.encode(): value.encode() for name, value in (headers or {}).items()}

    async def _receive(self) -> dict[str, Any]:
        if self.read == len(self.pieces):
            await asyncio.Event().wait()  # nothing more ever comes
        self.read += 1
        return self.pieces[self.read - 1]

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], dict(message["headers"])
        else:
            self.body += message["body"]

    async def post(self, app: FastAPI) -> None:
        """Until there is an answer."""
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/talkdesk/events",
            "query_string": b"",
            "headers": list(self._sent.items()),
        }
        await app(scope, self._receive, self._send)


def piece(content: bytes, *, more: bool = True) -> dict[str, Any]:
    """Some of a body."""
    return {"type": "http.request", "body": content, "more_body": more}


@pytest.mark.parametrize("length", [None, "10", str(10**9)], ids=["none", "a lie", "the truth"])
async def test_of_a_body_that_is_too_big_no_more_is_read(app: FastAPI, length: str | None) -> None:
    """Whatever Content-Length says; and the connection ends, so that the rest is not taken for another request."""
    sender = Sender([piece(bytes(64 * 1024))] * 100, {} if length is None else {"content-length": length})
    await sender.post(app)
    assert (sender.status, json.loads(sender.body)) == (413, {"reason": "too_big"})
    assert sender.headers[b"connection"] == b"close"
    assert sender.read == MAX_BODY_BYTES // (64 * 1024) + 1


async def test_a_body_that_does_not_come_is_408(app: FastAPI, intake: Intake) -> None:
    """Nobody holds a connection by sending nothing."""
    sender = Sender([piece(BODY[:10])])
    await sender.post(app)
    assert (sender.status, json.loads(sender.body)) == (408, {"reason": "too_slow"})
    assert intake.events.stored == []


async def test_a_sender_who_goes_away_leaves_nothing(app: FastAPI, intake: Intake) -> None:
    """Half an event is none, and no error in the log of the server."""
    sender = Sender([piece(BODY[:10]), {"type": "http.disconnect"}], sign(KEY, BODY))
    await sender.post(app)
    assert sender.status == 400
    assert intake.events.stored == []
