"""Calls to other servers: the one place that builds an HTTP client, and reads an answer of limited size and time.

Owns: time-outs, limits, no redirects; what a person who waits leaves of them. Leaves to others: which host may be called.
"""

import asyncio
import os
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

import httpx

MAX_ANSWER_BYTES = 256 * 1024
"""Longest answer that is read."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer, read whole."""

    status: int
    headers: httpx.Headers
    body: bytes

    def __repr__(self) -> str:
        """Without the body."""
        return f"Answer({self.status})"


def tls_context() -> ssl.SSLContext:
    """Certificate authorities of the environment (`SSL_CERT_FILE`, `SSL_CERT_DIR`), else httpx's; read once, which takes a while."""
    return _tls_context(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


@cache
def _tls_context(_file: str | None, _folder: str | None) -> ssl.SSLContext:
    return httpx.create_ssl_context()


def date_of(headers: httpx.Headers) -> datetime | None:
    """The other side's clock, in whole seconds; None where the answer has no readable `Date`."""
    try:
        date = parsedate_to_datetime(headers.get("Date", ""))
        return date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


Observe = Callable[[httpx.Request, httpx.Response | None, float], None]
"""Is told of each call: the request, its answer (None where none came), and the seconds until it began to come."""


class _ObservedClient(httpx.AsyncClient):
    """Says how each call ended. Not by a transport of our own: with one, httpx forgets the proxies of the environment."""

    def __init__(self, observe: Observe | None, **given: Any) -> None:
        super().__init__(**given)
        self._observe = observe

    async def send(self, request: httpx.Request, **given: Any) -> httpx.Response:
        """As httpx does, and no longer than a person waits: also for who does not go through `fetch`, as python-keycloak."""
        began = time.perf_counter()
        response = None
        try:
            async with asyncio.timeout(seconds_left()):
                response = await super().send(request, **given)
        except TimeoutError:
            raise httpx.ReadTimeout("nobody waits for the answer any more", request=request) from None
        finally:
            if self._observe:
                self._observe(request, response, time.perf_counter() - began)
        return response


_wait_ends: ContextVar[float | None] = ContextVar("wait_ends", default=None)


@contextmanager
def answered_within(seconds: float) -> Iterator[None]:
    """A person waits: all calls of this block together take no longer, however they share it; nor than a block around it has left.

    In the context, not an argument: what a request calls is many layers below, and who calls for a task has nobody who waits.
    """
    ends, around = time.monotonic() + seconds, _wait_ends.get()
    token = _wait_ends.set(ends if around is None else min(ends, around))
    try:
        yield
    finally:
        _wait_ends.reset(token)


def seconds_left(most: float | None = None) -> float | None:
    """How long a person still waits, and `most` at most; None where neither says."""
    ends = _wait_ends.get()
    if ends is None:
        return most
    left = max(0.0, ends - time.monotonic())
    return left if most is None else min(left, most)


def http_client(*, timeout_s: float = 5.0, observe: Observe | None = None) -> httpx.AsyncClient:
    """A client with a pool, that follows no redirect; proxy and certificates come from the environment as usual."""
    return _ObservedClient(
        observe,
        verify=tls_context(),
        timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, 3.0)),
        limits=httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=15),
        follow_redirects=False,
        headers={"User-Agent": "talkdesk-appconnect-broker"},
    )


async def fetch(client: httpx.AsyncClient, request: httpx.Request, *, within_s: float = 10.0) -> Answer:
    """Send and read the whole answer.

    Raises httpx.HTTPError where none came, or came too slowly (`within_s` for all of it, or less where a person waits) or too big.
    """
    try:
        async with asyncio.timeout(seconds_left(within_s)):
            return await _read(client, request)
    except TimeoutError:
        raise httpx.ReadTimeout("the answer took too long", request=request) from None


async def _read(client: httpx.AsyncClient, request: httpx.Request) -> Answer:
    response = await client.send(request, stream=True)
    try:
        body = bytearray()
        async for piece in response.aiter_bytes():
            body += piece
            if len(body) > MAX_ANSWER_BYTES:
                raise httpx.RemoteProtocolError("the answer is too big", request=request)
        return Answer(response.status_code, response.headers, bytes(body))
    finally:
        await response.aclose()
