"""Between the socket and the endpoints: the record of requests, and faults on demand."""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]


@dataclass(frozen=True)
class Recorded:
    """One request, in the order of their answers."""

    method: str
    path: str
    status: int | None
    """None where the connection broke without an answer."""
    body: bytes

    def json(self) -> Any:
        """The body, where it is JSON."""
        return json.loads(self.body)


class Silence(Enum):
    """Ways not to answer."""

    HANG = "waits until released, then goes on as usual"
    DROP = "breaks the connection, nothing is done"
    DROP_AFTER_WORK = "does what was asked, then breaks the connection: the answer is lost"


@dataclass
class _Fault:
    prefix: str
    method: str | None
    outcome: int | Silence
    left: int

    def meets(self, scope: Message) -> bool:
        return self.left > 0 and scope["path"].startswith(self.prefix) and self.method in (None, scope["method"])


class Wire:
    """The outermost application: what uvicorn calls."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self.requests: list[Recorded] = []
        self._faults: list[_Fault] = []
        self._released = asyncio.Event()
        self._hangs = asyncio.Event()

    def fault(self, prefix: str, outcome: int | Silence, times: int, method: str | None) -> None:
        """The next `times` requests there meet this outcome."""
        self._faults.append(_Fault(prefix, method, outcome, times))

    def release(self) -> None:
        """Forget all faults; what hangs goes on."""
        self._faults.clear()
        self._released.set()
        self._released = asyncio.Event()
        self._hangs.clear()

    async def hangs(self) -> None:
        """Wait until a request hangs."""
        await self._hangs.wait()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        body = bytearray()
        status: int | None = None

        async def receive_recorded() -> Message:
            message = await receive()
            body.extend(message.get("body", b""))
            return message

        async def send_recorded(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._serve(scope, receive_recorded, send_recorded, _transport(send))
        finally:
            self.requests.append(Recorded(scope["method"], scope["path"], status, bytes(body)))

    async def _serve(self, scope: Message, receive: Receive, send: Send, transport: asyncio.Transport) -> None:
        fault = next((fault for fault in self._faults if fault.meets(scope)), None)
        if fault is None:
            await self._application(scope, receive, send)
            return
        fault.left -= 1
        match fault.outcome:
            case int(status):
                await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
                await send({"type": "http.response.body", "body": b""})
            case Silence.HANG:
                await self._hang()
                await self._application(scope, receive, send)
            case Silence.DROP:
                await _break(transport, receive)
            case Silence.DROP_AFTER_WORK:
                await self._application(scope, receive, _discard)
                await _break(transport, receive)

    async def _hang(self) -> None:
        self._hangs.set()
        await self._released.wait()


async def _discard(_: Message) -> None:
    pass


async def _break(transport: asyncio.Transport, receive: Receive) -> None:
    transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass


def _transport(send: Send) -> asyncio.Transport:
    """The connection itself. ASGI has no way to break it, so this reaches into uvicorn's request cycle."""
    transport: asyncio.Transport = send.__self__.transport  # type: ignore[attr-defined]
    return transport
