"""Stands in front of an app's back-channel logout URL, and misbehaves on demand."""

import asyncio
from collections import deque
from dataclasses import dataclass
from enum import Enum

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from demo.http_client import http_client
from demo.server import HttpServer


class Fault(Enum):
    """Ways not to answer with a status."""

    HANG = "waits until released, and then goes on as usual"
    LOST = "lets the app do it, and answers 503"
    REDIRECT = "sends somewhere else"


@dataclass(frozen=True)
class Posted:
    """One request, in the order of their answers."""

    token: str
    status: int


class AppFront:
    """`url` is what a relay has as `logout_url`; what is not to go wrong goes on to the app."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._server = HttpServer()
        self.url = f"{self._server.url}/logout"
        self.tokens: list[str] = []
        """Every token that came, as often as it came, from the moment when it came: the app may act on it before we have its answer."""
        self.posted: list[Posted] = []
        self.redirected = 0
        self.hanging = 0
        self._faults: deque[int | Fault] = deque()
        self._released = asyncio.Event()
        self._client = http_client()
        routes = [
            Route("/logout", self._logout, methods=["POST"]),
            Route("/elsewhere", self._elsewhere, methods=["GET", "POST"]),
        ]
        self._application = Starlette(routes=routes)

    async def start(self) -> None:
        await self._server.start(self._application)

    async def close(self) -> None:
        """For good."""
        self.release()
        await self._server.stop()
        await self._client.aclose()

    async def down(self) -> None:
        """Stop listening."""
        self.release()
        await self._server.stop()

    async def up(self) -> None:
        """Listen again, at the same address."""
        self._server = HttpServer(port=self._server.port)
        await self.start()

    def will(self, *faults: int | Fault) -> None:
        """What the next requests meet, one each: a status, or a fault."""
        self._faults.extend(faults)

    def release(self) -> None:
        """What hangs goes on."""
        self._released.set()
        self._released = asyncio.Event()

    async def _logout(self, request: Request) -> Response:
        token = str((await request.form())["logout_token"])
        self.tokens.append(token)
        fault = self._faults.popleft() if self._faults else None
        if fault is Fault.HANG:
            self.hanging += 1
            await self._released.wait()
        response = await self._answer(token, fault)
        self.posted.append(Posted(token, response.status_code))
        return response

    async def _answer(self, token: str, fault: int | Fault | None) -> Response:
        if isinstance(fault, int):
            return Response(status_code=fault)
        if fault is Fault.REDIRECT:
            return Response(status_code=307, headers={"Location": "/elsewhere"})
        try:
            answer = await self._client.post(self._target, data={"logout_token": token})
        except httpx.HTTPError:
            return Response(status_code=502)
        return Response(status_code=503 if fault is Fault.LOST else answer.status_code)

    async def _elsewhere(self, _: Request) -> Response:
        self.redirected += 1
        return Response()
