"""Sign-ons, more and more at once until there are no more a second: how much of the processor time is the broker's, and how much Keycloak's.

Each is a whole launch of a person whom Keycloak knows (`benchmarks.launch`). Talkdesk, the app and the browsers are not counted, though they take
their part of the same processors.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import uvloop

from benchmarks.chain import PEOPLE, Chain, open_chain
from benchmarks.databases import Backend
from benchmarks.result import Result
from demo.browser import Browser
from demo.talkdesk import Installation
from tests.kept_data import KeptData

AT_ONCE = (1, 2, 4, 8, 16)
SECONDS = 15.0
WARMING_UP = 200
"""Sign-ons: Keycloak's first ones take many times as long, which would flatter us."""
MOST_SHARE = 0.25
_MORE = 1.05
"""By so much a rate has to be greater, for the next step to be tried."""


@dataclass(frozen=True)
class Step:
    """What so many browsers at once came to."""

    at_once: int
    per_second: float
    broker_ms: float
    """Processor time of one sign-on."""
    keycloak_ms: float

    @property
    def share(self) -> float:
        """The broker's, of what both take."""
        return self.broker_ms / (self.broker_ms + self.keycloak_ms)


def measure(backend: Backend) -> Iterator[Result]:
    """The step with the most sign-ons a second."""
    with backend.new_database() as (data, folder), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        best = runner.run(_measure(backend, data, folder))
    yield Result(backend.name, f"sign-ons sustained, {best.at_once} at once", best.per_second, "/s")
    yield Result(backend.name, "  processor time of one: broker", best.broker_ms, "ms")
    yield Result(backend.name, "  processor time of one: Keycloak", best.keycloak_ms, "ms")
    yield Result(backend.name, "  broker's share of both", best.share, "", at_most=MOST_SHARE)


async def _measure(backend: Backend, data: KeptData, folder: Path) -> Step:
    async with open_chain(backend, data, folder) as chain:
        installation = await chain.install()
        await _sign_on(chain, installation, 4, WARMING_UP)
        best: Step | None = None
        for at_once in AT_ONCE:
            step = await _step(chain, installation, at_once)
            if best is not None and step.per_second < best.per_second * _MORE:
                return max(best, step, key=lambda each: each.per_second)
            best = step
        assert best is not None
        return best


async def _step(chain: Chain, installation: Installation, at_once: int) -> Step:
    broker, keycloak, began = chain.broker.processor_s, chain.keycloak_processor_s, time.perf_counter()
    number = await _sign_on(chain, installation, at_once, None)
    took = time.perf_counter() - began
    return Step(
        at_once,
        number / took,
        (chain.broker.processor_s - broker) / number * 1000,
        (chain.keycloak_processor_s - keycloak) / number * 1000,
    )


async def _sign_on(chain: Chain, installation: Installation, at_once: int, most: int | None) -> int:
    """So many, else for `SECONDS`; how many it were."""
    until, done = time.perf_counter() + SECONDS, 0

    async def one_after_the_other(place: int) -> None:
        nonlocal done
        async with Browser() as browser:
            while done < most if most is not None else time.perf_counter() < until:
                # Of everybody in turn, and never the same person twice at once.
                user = chain.account.users[(place + at_once * done) % PEOPLE // at_once * at_once + place]
                await chain.launch(browser, installation, user)
                done += 1

    await asyncio.gather(*(one_after_the_other(place) for place in range(at_once)))
    return done
