"""`broker serve`."""

import asyncio
import signal
from typing import Annotated

import typer
import uvicorn
import uvloop

from broker import logs
from broker.app import open_broker
from broker.errors import StorageError
from broker.settings import ConfigFile, Settings, SettingsError, load

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
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(settings, config, host or settings.host, settings.port if port is None else port))
    except StorageError as error:
        typer.echo(f"The broker can't start: {error}", err=True)
        raise typer.Exit(1) from None


async def _serve(settings: Settings, config: ConfigFile, host: str, port: int) -> None:
    async with open_broker(settings, config) as broker:
        server = uvicorn.Server(
            uvicorn.Config(
                broker.app,
                host=host,
                port=port,
                loop="uvloop",
                http="httptools",
                log_config=None,
                access_log=False,  # it would write queries, in which codes and states travel
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=STOP_S,
            )
        )
        # uvicorn stops on these and raises them again afterwards: then they must not end us before the worker has given back its leases.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)
        await server.serve()
        if not server.started:
            raise typer.Exit(1)
