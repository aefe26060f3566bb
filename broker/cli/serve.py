"""`broker serve`."""

import asyncio
import contextlib
import ctypes
import gc
import signal
import socket
from types import FrameType
from typing import Annotated

import structlog
import typer
import uvicorn
import uvloop

from broker import logs
from broker.app import Broker, open_broker
from broker.cli.opening import end, exit_code_of
from broker.errors import StorageError
from broker.settings import ConfigFile, Settings, SettingsError, load
from broker.web.draining import Draining

log = structlog.get_logger()

STOP_S = 20
"""How long requests under way may take to end when the service stops."""


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on; by default BROKER_HOST.")] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to listen on; by default BROKER_PORT.")
    ] = None,
) -> None:
    """Run the service."""
    try:
        settings, config = load()
    except SettingsError as error:
        typer.echo(f"The settings are wrong:\n{error}", err=True)
        raise typer.Exit(2) from None
    logs.configure()
    _share_heaps()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings, config, host or settings.host, settings.port if port is None else port))
    except OSError as error:
        end(f"The broker can't listen: {error.strerror or error}", exit_code=1)
    except StorageError as error:
        end(f"The broker can't start: {error}", exit_code=exit_code_of(error))


def _share_heaps() -> None:
    """Let all threads share two heaps of glibc's; by default it has eight for each processor, and gives nothing back from the middle of one.

    With ten threads for PostgreSQL, 12,000 events of up to 256 KiB made 740 MiB of 150; with shared heaps it stays at 150. Other C
    libraries have no such call, and no such heaps. Comes before the threads, which keep the heap that they began with.
    """
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)


_M_ARENA_MAX = -8  # malloc.h


def _keep_out_of_collections() -> None:
    """Let the garbage collector pass over all that was made up to now: modules, routes, statements, which live as long as the process.

    Looking through them took 115 ms each time, about every 700 requests, for which all requests waited.
    """
    gc.collect()
    gc.freeze()


async def _serve(settings: Settings, config: ConfigFile, host: str, port: int) -> None:
    with _listen(host, port) as listening:
        async with open_broker(settings, config) as broker:
            await _serve_on(listening, broker, settings.drain_seconds)


async def _serve_on(listening: socket.socket, broker: Broker, drain_s: float) -> None:
    server = _Server(
        uvicorn.Config(
            broker.app,
            loop="uvloop",
            http="httptools",
            lifespan="off",
            log_config=None,
            access_log=False,  # it would write queries, in which codes and states travel
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=STOP_S,
        ),
        broker.draining,
        drain_s,
    )
    # uvicorn stops on these and raises them again afterwards: then they must not end us before the worker has given back its leases.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    _keep_out_of_collections()
    async with broker.working():
        host, port = listening.getsockname()[:2]
        log.info("listening", host=host, port=port)
        await server.serve(sockets=[listening])


class _Server(uvicorn.Server):
    """Drains before it stops; told a second time, it stops at once."""

    def __init__(self, config: uvicorn.Config, draining: Draining, drain_s: float) -> None:
        super().__init__(config)
        self._loop = asyncio.get_running_loop()
        self._draining = draining
        self._drain_s = drain_s

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal asks us to stop."""
        if self._drain_s and not self._draining.has_begun:
            self._draining.begin()
            self._loop.call_soon_threadsafe(self._loop.call_later, self._drain_s, super().handle_exit, sig, None)
        else:
            super().handle_exit(sig, frame)


def _listen(host: str, port: int) -> socket.socket:
    """Listen at once: what comes before the rest is ready waits, and a port in use is told first. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)
