"""Runs one ASGI application on loopback, inside the event loop that is running already.

Owns the socket and uvicorn's life; what is served is the caller's.
"""

import asyncio
import contextlib
import socket
from collections.abc import Generator
from typing import Any

import uvicorn

GRACE_SECONDS = 1.0


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, as Ctrl-C belongs to whoever started the event loop.

    It starts and stops at once where uvicorn looks ten times a second: the tests do that hundreds of times.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_listening = asyncio.Event()
        self.is_told_to_stop = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def main_loop(self) -> None:
        self.is_listening.set()
        await self.is_told_to_stop.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        await asyncio.sleep(0)  # what was accepted a moment ago becomes a connection only now
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE_SECONDS):
                await self._until_nobody_is_connected()
        for task in self.server_state.tasks:
            task.cancel()
        await asyncio.gather(*self.server_state.tasks, return_exceptions=True)
        for connection in self.server_state.connections:
            connection.transport.abort()
        await asyncio.sleep(0)  # where the aborted are closed

    async def _until_nobody_is_connected(self) -> None:
        told = set[Any]()
        while connections := self.server_state.connections:
            for connection in connections - told:
                connection.shutdown()
            told |= connections
            await asyncio.sleep(0.001)


class HttpServer:
    """`await start(application)`, `await stop()`. Port 0 takes a free one; `url` is known before the start.

    No `Date` in its answers: the stand-in has a clock of its own, the others need none.
    """

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0) -> None:
        # asyncio sets TCP_NODELAY only where the protocol is named; without it answers wait 40 ms for an ACK.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind((host, port))
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://{host}:{self.port}"
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, application: Any) -> None:
        config = uvicorn.Config(
            application,
            interface="asgi3",
            http="httptools",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
        )
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        listening = asyncio.create_task(self._server.is_listening.wait())
        await asyncio.wait({self._task, listening}, return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            listening.cancel()
            await self._task  # raises what went wrong

    async def stop(self) -> None:
        if self._server is not None and self._task is not None:
            self._server.is_told_to_stop.set()
            await self._task
        self._socket.close()
