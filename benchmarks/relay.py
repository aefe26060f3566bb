"""How long Keycloak waits for the relay: logout tokens at a steady rate, the broker in a process of its own.

The app answers at once, from the process that posts, and its answer is in what is measured: so the relay's own share is less. It
verifies, writes twice, and speaks HTTP twice.
"""

import asyncio
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.databases import Backend
from benchmarks.result import Result
from demo.server import HttpServer
from tests.fakes.keycloak import KeycloakImitation
from tests.kept_data import KeptData
from tests.processes import BrokerProcess
from tests.scenarios.test_relay_refusals import claims_of

A_SECOND = 50
SECONDS = 20
MOST_P99_MS = 20.0
_WARMING_UP = 50


def measure(backend: Backend) -> Iterator[Result]:
    """The answer to Keycloak, at the rate of a customer whose people all go home."""
    with backend.new_database() as (data, folder), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        took_ms = runner.run(_measure(data, folder))
    percentiles = statistics.quantiles(took_ms, n=100, method="inclusive")
    yield Result(
        backend.name, f"logout tokens relayed at {A_SECOND}/s, with the app's answer: p50", percentiles[49], "ms"
    )
    yield Result(backend.name, "  p99", percentiles[98], "ms", at_most=MOST_P99_MS)


async def _measure(data: KeptData, folder: Path) -> list[float]:
    app = HttpServer()
    await app.start(Starlette(routes=[Route("/logout", _confirm, methods=["POST"])]))
    async with KeycloakImitation() as keycloak:
        broker = BrokerProcess(_settings(data, folder, keycloak, app), folder / "broker.log")
        tokens = [keycloak.sign(claims_of(keycloak)) for _ in range(_WARMING_UP + A_SECOND * SECONDS)]
        try:
            await broker.start()
            async with httpx.AsyncClient(base_url=broker.url, timeout=30, trust_env=False) as client:
                for token in tokens[:_WARMING_UP]:
                    await _post(client, token)
                took_ms = await _post_steadily(client, tokens[_WARMING_UP:])
            assert not broker.complaints(), broker.complaints()[:3]
        finally:
            broker.kill()
    await app.stop()
    return took_ms


async def _post_steadily(client: httpx.AsyncClient, tokens: list[str]) -> list[float]:
    """One every so often, whether the one before it was answered or not."""
    began = time.perf_counter()
    posts = []
    for number, token in enumerate(tokens):
        await asyncio.sleep(max(0.0, began + number / A_SECOND - time.perf_counter()))
        posts.append(asyncio.create_task(_post(client, token)))
    return await asyncio.gather(*posts)


async def _post(client: httpx.AsyncClient, token: str) -> float:
    began = time.perf_counter()
    answer = await client.post("/relay/wallboard", data={"logout_token": token})
    answer.raise_for_status()
    return (time.perf_counter() - began) * 1000


async def _confirm(request: Request) -> Response:
    await request.form()
    return Response()


def _settings(data: KeptData, folder: Path, keycloak: KeycloakImitation, app: HttpServer) -> dict[str, str]:
    config = folder / "config.toml"
    config.write_text(f'[[relays]]\nslug = "wallboard"\nclient_id = "wallboard"\nlogout_url = "{app.url}/logout"\n')
    return {
        "BROKER_KEYCLOAK_URL": keycloak.url,
        "BROKER_KEYCLOAK_CLIENT_SECRET": "unused",
        "BROKER_KEYCLOAK_LAUNCH_CLIENT_SECRET": "unused",
        "BROKER_CONFIG_FILE": str(config),
        "BROKER_TALKDESK_INSECURE": "1",
        **data.settings,
    }
