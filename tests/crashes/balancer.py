"""A load balancer on loopback: one address, behind it any number of broker processes, some of them dead.

Takes the next process in turn that lets itself be connected to, as balancers do without health checks: a frozen process is connected to
by its system, and does not answer. Whoever checks health takes its port off the list, as `checking_health` does.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

import httpx

from tests.processes import free_port

_PIECE = 64 * 1024


CHECKED_EVERY_S = 0.2


class Balancer:
    """Passes bytes on; knows nothing of HTTP, unless each request is to have its turn."""

    def __init__(self) -> None:
        """It is found at `url` once it is entered."""
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.ports: list[int] = []
        """Where the processes listen."""
        self.serves_by_request = False
        """Clients reuse connections, on which a process would keep them: closed after each request, the next one meets the next process."""
        self.served: list[tuple[int, str]] = []
        """Then: which port had which request, by method and path."""
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        assert self._server is not None
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    @asynccontextmanager
    async def checking_health(self) -> AsyncIterator[None]:
        """As most balancers do: meanwhile only processes that say they are ready get anything new."""
        every = tuple(self.ports)
        checking = asyncio.create_task(self._check_health(every))
        try:
            yield
        finally:
            checking.cancel()
            await asyncio.gather(checking, return_exceptions=True)

    async def _check_health(self, every: Collection[int]) -> None:
        async with httpx.AsyncClient(trust_env=False, timeout=1) as client:
            while True:
                for port in every:
                    try:
                        answer = await client.get(f"http://127.0.0.1:{port}/health/ready")
                        is_ready = answer.status_code == 200
                    except httpx.HTTPError:
                        is_ready = False
                    if is_ready and port not in self.ports:
                        self.ports.append(port)
                    elif not is_ready and port in self.ports:
                        self.ports.remove(port)
                await asyncio.sleep(CHECKED_EVERY_S)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.current_task()
        assert connection is not None
        self._connections.add(connection)
        try:
            await self._serve(reader, writer)
        finally:
            self._connections.discard(connection)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for port in tuple(self.ports):
            try:
                there = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                continue
            self.ports.sort(key=port.__eq__)  # the next one has its turn
            if self.serves_by_request:
                head = await reader.readuntil(b"\r\n\r\n")
                method, target = head.decode("latin-1").split(" ")[:2]
                self.served.append((port, f"{method} {target.partition('?')[0]}"))
                lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")]
                there[1].write(b"\r\n".join([lines[0], b"Connection: close", *lines[1:]]))
            await _join(reader, writer, *there)
            return


async def _join(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, other: asyncio.StreamReader, there: asyncio.StreamWriter
) -> None:
    ways = [asyncio.create_task(_pass_on(reader, there)), asyncio.create_task(_pass_on(other, writer))]
    try:
        # Whichever side goes away takes the other with it: what is under way when a process dies ends without an answer.
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        there.close()


async def _pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await source.read(_PIECE):
            target.write(piece)
            await target.drain()
