"""Everything between the socket and the endpoints: the record of calls, faults on demand, Talkdesk's own clock.

Knows which path is which endpoint; knows nothing of what an endpoint does.
"""

import asyncio
import re
from collections import defaultdict
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from email.utils import format_datetime
from enum import Enum, StrEnum
from typing import Any

from demo.talkdesk.model import ApiCall
from demo.talkdesk.state import State

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class Endpoint(StrEnum):
    """What the protocol consists of."""

    AUTHORIZE = "authorize"
    TOKEN = "token"
    USERINFO = "userinfo"
    SIGNATURE_KEY = "signature_key"
    STATE = "state"
    CREDENTIALS_STATE = "credentials_state"
    ROTATE = "rotate"
    USERS = "users"


_INSTALLATION = "/apps/[^/]+/installations/[^/]+"
_PATHS = {
    Endpoint.AUTHORIZE: re.compile(r"/[^/]+/oauth/authorize"),
    Endpoint.TOKEN: re.compile(r"/[^/]+/oauth/token"),
    Endpoint.USERINFO: re.compile(r"/userinfo"),
    Endpoint.SIGNATURE_KEY: re.compile(r"/events/signature-keys/[^/]+"),
    Endpoint.STATE: re.compile(_INSTALLATION + "/state"),
    Endpoint.CREDENTIALS_STATE: re.compile(_INSTALLATION + "/credentials/[^/]+/state"),
    Endpoint.ROTATE: re.compile(_INSTALLATION + "/credentials/actions/rotate"),
    Endpoint.USERS: re.compile(_INSTALLATION + "/users"),
}


class Silence(Enum):
    """Ways not to answer."""

    HANG = "takes the request and never answers"
    DROP = "takes the request and breaks the connection"


@dataclass(frozen=True)
class _Fault:
    outcome: int | Silence
    headers: tuple[tuple[str, str], ...]


class Faults:
    """What the next calls meet instead of the endpoint."""

    def __init__(self) -> None:
        self._waiting: dict[Endpoint, list[_Fault]] = defaultdict(list)
        self._released = asyncio.Event()

    def next(
        self, endpoint: Endpoint, outcome: int | Silence, *, times: int = 1, headers: dict[str, str] | None = None
    ) -> None:
        """The next `times` calls of the endpoint are answered with that status, or not at all."""
        self._waiting[endpoint] += [_Fault(outcome, tuple((headers or {}).items()))] * times

    def take(self, endpoint: Endpoint) -> _Fault | None:
        return self._waiting[endpoint].pop(0) if self._waiting[endpoint] else None

    def are_waiting(self, endpoint: Endpoint) -> bool:
        """Whether a call that will meet one has not come yet."""
        return bool(self._waiting[endpoint])

    def clear(self) -> None:
        """No more faults, and whatever hangs breaks off."""
        self._waiting.clear()
        self._released.set()
        self._released = asyncio.Event()

    async def hang(self, receive: Receive) -> None:
        """Until the caller gives up or the faults are cleared."""
        released = asyncio.create_task(self._released.wait())
        gone = asyncio.create_task(_until_disconnected(receive))
        _, pending = await asyncio.wait({released, gone}, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()


class Wire:
    """The outermost application: what uvicorn calls."""

    def __init__(self, application: Application, state: State, faults: Faults) -> None:
        self._application = application
        self._state = state
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = _endpoint_of(scope["path"])
        detail: dict[str, str] = {}
        scope["state"] = {"detail": detail}  # endpoints note in it what the record should say
        status: int | None = None

        async def send_dated(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                date = format_datetime(self._state.clock(), usegmt=True).encode()
                message["headers"] = [*message.get("headers", ()), (b"date", date)]
            await send(message)

        at = self._state.clock()
        fault = self._faults.take(endpoint) if endpoint else None
        try:
            if fault is None:
                await self._application(scope, receive, send_dated)
            else:
                outcome = fault.outcome
                detail["fault"] = outcome.name.lower() if isinstance(outcome, Silence) else str(outcome)
                await self._fail(fault, receive, send_dated, _transport(send))
        finally:
            if endpoint:
                self._state.calls.append(ApiCall(at, endpoint, scope["method"], scope["path"], status, detail))
                self._state.changed()

    async def _fail(self, fault: _Fault, receive: Receive, send: Send, transport: asyncio.Transport) -> None:
        if isinstance(fault.outcome, int):
            headers = [(name.lower().encode(), value.encode()) for name, value in fault.headers]
            await send({"type": "http.response.start", "status": fault.outcome, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        if fault.outcome is Silence.HANG:
            await self._faults.hang(receive)
        transport.abort()
        await _until_disconnected(receive)


def _endpoint_of(path: str) -> Endpoint | None:
    return next((endpoint for endpoint, pattern in _PATHS.items() if pattern.fullmatch(path)), None)


def _transport(send: Send) -> asyncio.Transport:
    """The connection itself. ASGI has no way to break it, so this reaches into uvicorn's request cycle."""
    transport: asyncio.Transport = send.__self__.transport  # type: ignore[attr-defined]
    return transport


async def _until_disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
