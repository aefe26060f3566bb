"""The relay's own share of its answer to Keycloak: `python -m benchmarks.relay`.

Logout tokens are posted at a steady rate to `broker serve`, in a process of its own on SQLite; the app answers at once, from the process that
posts. What is printed is how long Keycloak would wait, the app's answer included, which is all but none: verification, two writes, HTTP twice.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from demo.server import HttpServer
from tests.fakes.keycloak import KeycloakImitation
from tests.prepared import copy_into
from tests.scenarios.test_relay_crashes import broker_process
from tests.scenarios.test_relay_refusals import claims_of

TARGET_MS = 20.0


async def measure(rate: int, seconds: int) -> Sequence[float]:
    """Milliseconds of each answer."""
    app = HttpServer()
    await app.start(Starlette(routes=[Route("/logout", _confirm, methods=["POST"])]))
    folder = Path(tempfile.mkdtemp(prefix="bench-relay-"))
    copy_into(folder)
    config = f'[[relays]]\nslug = "wallboard"\nclient_id = "wallboard"\nlogout_url = "{app.url}/logout"\n'
    (folder / "config.toml").write_text(config)
    reserved = HttpServer()
    port = reserved.port
    await reserved.stop()
    async with KeycloakImitation() as keycloak, broker_process(folder, port, keycloak.url):
        tokens = [keycloak.sign(claims_of(keycloak)) for _ in range(rate * seconds)]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            await asyncio.gather(*(_post(client, keycloak.sign(claims_of(keycloak))) for _ in range(20)))  # warm
            began = time.perf_counter()
            posts = []
            for number, token in enumerate(tokens):
                await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
                posts.append(asyncio.create_task(_post(client, token)))
            took = await asyncio.gather(*posts)
    await app.stop()
    return sorted(took)


async def _confirm(request: Request) -> Response:
    await request.form()
    return Response()


async def _post(client: httpx.AsyncClient, token: str) -> float:
    began = time.perf_counter()
    answer = await client.post("/relay/wallboard", data={"logout_token": token})
    answer.raise_for_status()
    return (time.perf_counter() - began) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=50, help="logout tokens a second")
    parser.add_argument("--seconds", type=int, default=20)
    given = parser.parse_args()
    took = asyncio.run(measure(given.rate, given.seconds))
    p50, p99 = took[len(took) // 2], took[int(len(took) * 0.99)]
    print(f"relay at {given.rate}/s, the app's answer included: p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    print(f"p99 / {TARGET_MS:.0f} ms = {p99 / TARGET_MS:.2f} (at most 1)")


if __name__ == "__main__":
    main()
