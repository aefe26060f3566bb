"""A logout token that Keycloak has posted outlives the process that took it."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from broker.listing import DeliveryFilter, DeliveryRow
from broker.storage.database import open_database
from broker.storage.sql_logout_lists import SqlLogoutList
from demo.server import HttpServer
from tests.fakes.app_front import AppFront, Fault, Posted
from tests.fakes.keycloak import KeycloakImitation
from tests.prepared import copy_into
from tests.scenarios.test_relay_refusals import claims_of
from tests.waiting import eventually

pytestmark = pytest.mark.thorough

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
async def front() -> AsyncIterator[AppFront]:
    """What the relay calls; the app behind it is not needed."""
    front = AppFront("http://127.0.0.1:9/")
    await front.start()
    yield front
    await front.close()


def write_config(folder: Path, front: AppFront) -> Path:
    """One relay, and an app that is not used."""
    file = folder / "config.toml"
    file.write_text(f'[[relays]]\nslug = "wallboard"\nclient_id = "wallboard"\nlogout_url = "{front.url}"\n')
    return file


@asynccontextmanager
async def broker_process(folder: Path, port: int, keycloak_url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """`broker serve` on this data; killed at the end, if it lives."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BROKER_")}
    environment |= {
        "BROKER_PUBLIC_URL": f"http://127.0.0.1:{port}",
        "BROKER_KEYCLOAK_URL": keycloak_url,
        "BROKER_KEYCLOAK_CLIENT_SECRET": "secret-of-broker",
        "BROKER_KEYCLOAK_LAUNCH_CLIENT_SECRET": "secret-of-launch",
        "BROKER_CONFIG_FILE": str(folder / "config.toml"),
        "BROKER_DATA_DIR": str(folder),
        "BROKER_TALKDESK_INSECURE": "1",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "broker", "serve", "--port", str(port), cwd=REPOSITORY, env=environment,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        await eventually(lambda: answers(port), what="the broker listens")
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def answers(port: int) -> bool:
    """Whether the process serves."""
    async with httpx.AsyncClient() as client:
        with contextlib.suppress(httpx.HTTPError):
            return (await client.get(f"http://127.0.0.1:{port}/health/live", timeout=5)).status_code == 200
    return False


async def only_delivery(folder: Path) -> DeliveryRow:
    """What `broker logouts deliveries` shows."""
    database = open_database(f"sqlite:///{folder / 'broker.sqlite3'}")
    [row] = (await SqlLogoutList(database).deliveries(DeliveryFilter(), 10)).rows
    await database.close()
    return row


async def test_a_token_is_delivered_though_the_broker_was_killed_over_it(
    tmp_path: Path, keycloak: KeycloakImitation, front: AppFront
) -> None:
    """SIGKILL while the app has not answered and Keycloak still waits: another process delivers it, and the record is right."""
    copy_into(tmp_path)
    write_config(tmp_path, front)
    keycloak.register_app("wallboard", "secret", (), None)
    token = keycloak.sign(claims_of(keycloak))
    reserved = HttpServer()
    port = reserved.port
    await reserved.stop()
    front.will(Fault.HANG)
    async with broker_process(tmp_path, port, keycloak.url) as process, httpx.AsyncClient() as client:
        posting = asyncio.create_task(
            client.post(f"http://127.0.0.1:{port}/relay/wallboard", data={"logout_token": token}, timeout=30)
        )
        await eventually(lambda: front.hanging == 1, what="the app is being told")
        process.kill()
        with pytest.raises(httpx.HTTPError):
            await posting
    killed = await only_delivery(tmp_path)
    assert (killed.state, killed.attempts) == ("open", 0)
    front.will(200)
    async with broker_process(tmp_path, port, keycloak.url):
        await eventually(lambda: front.posted == [Posted(token, 200)], what="the app is told")
        await eventually(lambda: is_confirmed(tmp_path), what="it is on record")
    assert (await only_delivery(tmp_path)).attempts == 1


async def is_confirmed(folder: Path) -> bool:
    """Whether the app is on record as told."""
    return (await only_delivery(folder)).state == "confirmed"
