"""Everything that the walk needs, started and ended: Keycloak, the stand-in, the broker, both apps.

Keycloak and the broker are processes (each with a watcher that ends it when we are gone, however that happens); the
stand-in and the apps are servers in this process. Nothing outlives it; all files are in one folder that goes with it.
"""

import asyncio
import os
import secrets
import shutil
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.app import DownstreamApp
from demo.keycloak_admin import KeycloakAdmin
from demo.talkdesk import NOTES_ID, WALLBOARD_ID, StandIn, apps_at

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "keycloak"))  # no package: its name belongs to python-keycloak

from child_process import ChildProcess, ServerFailed  # noqa: E402
from local_server import REALM, LocalServer  # noqa: E402
from prepared_server import Missing, free_port  # noqa: E402

__all__ = ["Missing", "Say", "ServerFailed", "Surroundings", "surroundings"]

Say = Callable[[str], None]


@dataclass(frozen=True)
class Surroundings:
    """What runs."""

    keycloak: LocalServer
    admin: KeycloakAdmin
    talkdesk: StandIn
    wallboard: DownstreamApp
    notes: DownstreamApp
    broker_url: str
    broker_log: Path


@asynccontextmanager
async def surroundings(say: Say) -> AsyncIterator[Surroundings]:
    """All of it; what takes longest starts first."""
    async with AsyncExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="talkdesk-demo-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        broker_url = f"http://127.0.0.1:{free_port()}"
        keycloak = LocalServer(broker_url=broker_url, port=free_port(), progress=say)
        stack.push_async_callback(_in_thread, keycloak.stop)
        keycloak_starts = asyncio.create_task(_in_thread(keycloak.start))
        stack.callback(keycloak_starts.cancel)

        talkdesk = StandIn(apps=apps_at(broker_url))
        await talkdesk.start()
        stack.push_async_callback(talkdesk.stop)
        wallboard, notes = (_app(name, keycloak) for name in ("Wallboard", "Notes"))
        for app in (wallboard, notes):
            await app.start()
            stack.push_async_callback(app.stop)

        broker = _start_broker(folder, broker_url, keycloak, wallboard, notes)
        stack.push_async_callback(_in_thread, broker.stop)
        await _in_thread(lambda: broker.wait_until_answers(f"{broker_url}/health/live", seconds=60))
        say(f"broker, stand-in and apps run; the broker's log is {broker.log}")

        await keycloak_starts
        say("Keycloak runs")
        admin = await stack.enter_async_context(
            KeycloakAdmin(keycloak.url, keycloak.admin_username, keycloak.admin_password, realm=REALM)
        )
        for app in (wallboard, notes):
            await admin.register(app)
        yield Surroundings(keycloak, admin, talkdesk, wallboard, notes, broker_url, broker.log)


def _app(name: str, keycloak: LocalServer) -> DownstreamApp:
    return DownstreamApp(
        name=name,
        issuer=f"{keycloak.url}/realms/{REALM}",
        client_id=name.lower(),
        client_secret=secrets.token_urlsafe(24),
    )


def _start_broker(
    folder: Path, url: str, keycloak: LocalServer, wallboard: DownstreamApp, notes: DownstreamApp
) -> ChildProcess:
    """`broker serve`, as an operator starts it: settings from the environment and one file."""
    config = folder / "broker.toml"
    config.write_text(_app_entry(WALLBOARD_ID, wallboard) + _app_entry(NOTES_ID, notes))
    settings = {
        "BROKER_PORT": url.rpartition(":")[2],
        "BROKER_PUBLIC_URL": url,
        "BROKER_DATA_DIR": str(folder / "data"),
        "BROKER_CONFIG_FILE": str(config),
        "BROKER_KEYCLOAK_URL": keycloak.url,
        "BROKER_KEYCLOAK_CLIENT_SECRET": keycloak.broker_secret,
        "BROKER_KEYCLOAK_LAUNCH_CLIENT_SECRET": keycloak.launch_secret,
        "BROKER_TALKDESK_INSECURE": "1",
    }
    surrounding = {name: value for name, value in os.environ.items() if not name.startswith("BROKER_")}
    command = [str(Path(sys.executable).with_name("broker")), "serve"]
    return ChildProcess(command, environment=surrounding | settings, log=folder / "broker.log")


def _app_entry(app_id: str, app: DownstreamApp) -> str:
    return (
        f'[[apps]]\nid = "{app_id}"\nname = "{app.name}"\nstart_url = "{app.start_url}"\n'
        'support = { email = "support@example.com" }\n\n'
    )


async def _in_thread(function: Callable[[], Any]) -> None:
    """Run something that blocks. Not in asyncio's own threads: those hold up the end of the process, these don't."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def tell(error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def run() -> None:
        error: BaseException | None = None
        try:
            function()
        except BaseException as failure:  # noqa: BLE001 - told to the one who waits
            error = failure
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell, error)

    threading.Thread(target=run, daemon=True).start()
    await done
