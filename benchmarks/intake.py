"""How fast signed events are accepted: 16 clients, the broker in a process of its own, both on the same processors.

The broker, a bare server with the same clients and a bare loop without any take turns, so that whatever else the machine does falls on all.
"""

import asyncio
import base64
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from benchmarks.databases import Backend
from benchmarks.result import Result
from demo.talkdesk import ACME, WALLBOARD_ID, StandIn, apps_at
from demo.talkdesk.keys import new_id
from demo.talkdesk.variants import KeyEncoding
from tests.kept_data import KeptData
from tests.processes import BrokerProcess, free_port
from tests.raw_http import RawConnection, post
from tests.waiting import eventually

CLIENTS = 16
INSTALLATIONS = 1_000
EVENTS = 2_000
"""Of one turn."""
TURNS = 5
LEAST_RATIO = 0.8
MOST_P99_MS = 30.0


@dataclass
class _Turns:
    """What was measured in each turn."""

    rates: list[float] = field(default_factory=list)
    server_rates: list[float] = field(default_factory=list)
    loop_rates: list[float] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)


def measure(backend: Backend) -> Iterator[Result]:
    """Accepting alone, with its bounds; then with the worker at work, for information."""
    turns = _run(backend, "benchmarks.broker_without_worker")
    yield Result(backend.name, "events accepted", statistics.median(turns.rates), "/s")
    yield Result(backend.name, "  bare server: verify, commit one row", statistics.median(turns.server_rates), "/s")
    yield Result(backend.name, "  ratio", _ratio(turns.rates, turns.server_rates), "", at_least=LEAST_RATIO)
    yield Result(backend.name, "  the same without HTTP and clients", statistics.median(turns.loop_rates), "/s")
    yield Result(backend.name, "  ratio", _ratio(turns.rates, turns.loop_rates), "", at_least=LEAST_RATIO)
    yield Result(backend.name, "  of the bare server to it", _ratio(turns.server_rates, turns.loop_rates), "")
    yield Result(backend.name, "  p50", _percentile(turns.latencies_ms, 50), "ms")
    yield Result(backend.name, "  p99", _percentile(turns.latencies_ms, 99), "ms", at_most=MOST_P99_MS)
    yield Result(backend.name, "  processor time of one", statistics.median(turns.cpu_ms), "ms")
    working = _run(backend, "broker")
    yield Result(
        backend.name, "events accepted while the worker carries them out", statistics.median(working.rates), "/s"
    )
    yield Result(backend.name, "  p99", _percentile(working.latencies_ms, 99), "ms")


def _ratio(rates: Sequence[float], others: Sequence[float]) -> float:
    """Median of the turns' ratios."""
    return statistics.median(own / other for own, other in zip(rates, others, strict=True))


def _percentile(values: Sequence[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def _run(backend: Backend, module: str) -> _Turns:
    with backend.new_database() as (data, folder), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_take_turns(data, folder, module))


async def _take_turns(data: KeptData, folder: Path, module: str) -> _Turns:
    turns = _Turns()
    async with _talkdesk() as talkdesk:
        broker = BrokerProcess(_settings(data, folder), folder / "broker.log", module=module)
        try:
            broker.spawn()
            await broker.until_live()
            # Caches, connections, the first pages of the file.
            await _accept(broker.port, _requests(talkdesk, EVENTS // 4))
            for _ in range(TURNS):
                requests = _requests(talkdesk, EVENTS)
                turns.loop_rates.append(await asyncio.to_thread(_loop_rate, data.url))
                turns.server_rates.append(await _server_rate(data.url, talkdesk, requests))
                used, began = broker.processor_s, time.perf_counter()
                turns.latencies_ms += await _accept(broker.port, requests)
                turns.rates.append(EVENTS / (time.perf_counter() - began))
                turns.cpu_ms.append((broker.processor_s - used) / EVENTS * 1000)
            assert not broker.complaints(), broker.complaints()[:3]
        finally:
            broker.kill()
    return turns


@asynccontextmanager
async def _talkdesk() -> AsyncIterator[StandIn]:
    """Signs the events, and is asked once for its key."""
    talkdesk = StandIn(apps=apps_at("http://127.0.0.1:1"))
    await talkdesk.start()
    try:
        yield talkdesk
    finally:
        await talkdesk.stop()


def _loop_rate(url: str) -> float:
    command = [sys.executable, "-m", "benchmarks.bare_loop", url, str(EVENTS)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


async def _server_rate(url: str, talkdesk: StandIn, requests: list[bytes]) -> float:
    port = free_port()
    server = _spawn_bare_server(url, talkdesk, port)
    try:
        await eventually(lambda: _answers(port), what="the bare server answers", seconds=60)
        began = time.perf_counter()
        await _accept(port, requests)
        return len(requests) / (time.perf_counter() - began)
    finally:
        server.kill()
        server.wait()


def _spawn_bare_server(url: str, talkdesk: StandIn, port: int) -> subprocess.Popen[bytes]:
    key = base64.b64decode(talkdesk.state.event_key.public_text(KeyEncoding.DER)).hex()
    return subprocess.Popen([sys.executable, "-m", "benchmarks.bare_server", url, key, str(port)])


async def _answers(port: int) -> bool:
    try:
        return await RawConnection(port).send(post("/", b"", {})) is not None
    except OSError:
        return False


def _requests(talkdesk: StandIn, number: int) -> list[bytes]:
    """The commonest event: somebody of one of 1,000 installations signs out. Made and signed before the clock runs."""
    app, requests = talkdesk.app("Wallboard"), []
    for count in range(number):
        user = new_id()
        data = {"account_id": ACME.id, "user_id": user, "user_email": f"{user}@acme.example"}
        event = talkdesk.make_event("user.logout", app, data | {"installation_id": f"{count % INSTALLATIONS:032d}"})
        requests.append(post("/talkdesk/events", event.body, talkdesk.courier.signature_headers(event.body)))
    return requests


async def _accept(port: int, requests: list[bytes]) -> list[float]:
    """Send them all; how long each took, in milliseconds."""
    latencies_ms: list[float] = []
    left = iter(requests)

    async def client() -> None:
        connection = RawConnection(port)
        for request in left:
            began = time.perf_counter()
            answer = await connection.send(request)
            latencies_ms.append((time.perf_counter() - began) * 1000)
            assert answer is not None
            assert answer.status == 202, answer
        connection.close()

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return latencies_ms


def _settings(data: KeptData, folder: Path) -> dict[str, str]:
    config = folder / "config.toml"
    config.write_text(f'[[apps]]\nid = "{WALLBOARD_ID}"\nname = "Wallboard"\nstart_url = "http://127.0.0.1:1/login"\n')
    return {
        "BROKER_KEYCLOAK_URL": "http://127.0.0.1:1",  # nobody signed on: nothing is asked of it
        "BROKER_KEYCLOAK_CLIENT_SECRET": "secret-of-broker",
        "BROKER_KEYCLOAK_LAUNCH_CLIENT_SECRET": "secret-of-launch",
        "BROKER_TALKDESK_INSECURE": "1",
        "BROKER_TALKDESK_GATEWAYS": "127.0.0.1",
        "BROKER_TALKDESK_HOSTS": "127.0.0.1",
        "BROKER_CONFIG_FILE": str(config),
        **data.settings,
    }
