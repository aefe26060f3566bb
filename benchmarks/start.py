"""How long `broker serve` takes until it is ready, and how much memory it then has. Keycloak and Talkdesk are there."""

import asyncio
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.databases import Backend
from benchmarks.result import Result
from tests.fakes.keycloak import KeycloakImitation
from tests.kept_data import KeptData
from tests.processes import BrokerProcess

STARTS = 10
MOST_S = 2.0
MOST_IDLE_MIB = 150.0
IDLE_S = 5.0
"""So long after it is ready nothing is asked of it."""


@dataclass
class _Measured:
    seconds: list[float] = field(default_factory=list)
    resident_mib: list[float] = field(default_factory=list)


def measure(backend: Backend) -> Iterator[Result]:
    """On a database that has its tables, as every start but the first one finds it."""
    with backend.new_database() as (data, folder):
        measured = asyncio.run(_measure(data, folder))
    yield Result(backend.name, "start until ready: median", statistics.median(measured.seconds), "s", at_most=MOST_S)
    yield Result(backend.name, "  slowest", max(measured.seconds), "s")
    yield Result(backend.name, "  idle memory", max(measured.resident_mib), "MiB", at_most=MOST_IDLE_MIB)


async def _measure(data: KeptData, folder: Path) -> _Measured:
    measured = _Measured()
    async with KeycloakImitation() as keycloak:
        broker = BrokerProcess(_settings(data, folder, keycloak), folder / "broker.log")
        for number in range(STARTS + 1):
            began = time.perf_counter()
            try:
                await broker.start()
                took = time.perf_counter() - began
                if number == STARTS:
                    await asyncio.sleep(IDLE_S)
                    measured.resident_mib.append(broker.resident_bytes / 2**20)
            finally:
                await broker.stop()
            if number:  # the first one compiled
                measured.seconds.append(took)
    return measured


def _settings(data: KeptData, folder: Path, keycloak: KeycloakImitation) -> dict[str, str]:
    config = folder / "config.toml"
    config.write_text('[[apps]]\nid = "wallboard"\nname = "Wallboard"\nstart_url = "http://127.0.0.1:1/login"\n')
    return {
        "BROKER_KEYCLOAK_URL": keycloak.url,
        "BROKER_KEYCLOAK_CLIENT_SECRET": "secret-of-broker",
        "BROKER_KEYCLOAK_LAUNCH_CLIENT_SECRET": "secret-of-launch",
        "BROKER_CONFIG_FILE": str(config),
        "BROKER_TALKDESK_INSECURE": "1",
        **data.settings,
    }
