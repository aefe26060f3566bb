"""Two brokers on one PostgreSQL are restarted in turn, as an upgrade does, while people launch: nobody notices."""

import asyncio
import os
import random
import time

import pytest

from demo.talkdesk import ACME, ANA, GLOBEX, Installation
from tests.crashes.customers import Customers
from tests.crashes.effects import missing, open_tasks, refused_though_taken, taken_events, until_none
from tests.crashes.surroundings import Surroundings
from tests.processes import BrokerProcess

pytestmark = [
    pytest.mark.postgresql,
    pytest.mark.parametrize("around", ["postgresql"], indirect=True),
    pytest.mark.timeout(400),
]

LAUNCHES_A_SECOND = 3
SECONDS = int(os.environ.get("TEST_ROLLING_SECONDS", "20"))
DRAIN = {"BROKER_DRAIN_SECONDS": "1"}
"""The balancer looks five times a second."""


async def test_a_rolling_restart_costs_no_launch_and_no_event(around: Surroundings) -> None:
    """Three launches a second, an install and an update now and then, and always one of the two is going or coming."""
    brokers = [around.broker(name, settings=DRAIN) for name in ("one", "two")]
    for broker in brokers:
        broker.spawn()
    for broker in brokers:
        await broker.until_ready()
    customers = Customers(
        around.talkdesk, around.talkdesk.app("Wallboard"), f"{around.wallboard.url}/", random.Random()
    )
    installation = await around.talkdesk.install(ACME, around.talkdesk.app("Wallboard"))
    await around.talkdesk.until_answered(installation, seconds=60)
    async with around.balancer.checking_health():
        until = time.monotonic() + SECONDS
        launched, restarts, _ = await asyncio.gather(
            _launch(customers, installation, until), _restart(brokers, until), _happen(around, until)
        )
    assert restarts >= 2, "both were restarted"
    assert len(customers.signed_on) == launched, "a launch failed"
    assert not [each for each in around.talkdesk.deliveries if not each.is_accepted], "an event was not taken at once"
    await until_none(lambda: open_tasks(around), what="nothing is due any more", seconds=60)
    await until_none(lambda: missing(around, customers.signed_on), what="all is as the events say", seconds=30)
    assert not refused_though_taken(around)
    assert taken_events(around)
    assert not [line for broker in brokers for line in broker.complaints()]


async def _launch(customers: Customers, installation: Installation, until: float) -> int:
    """How many launches there were."""
    launches: list[asyncio.Task[None]] = []
    while time.monotonic() < until:
        launches.append(asyncio.create_task(customers.sign_on(installation, ANA)))
        await asyncio.sleep(1 / LAUNCHES_A_SECOND)
    await asyncio.gather(*launches)
    return len(launches)


async def _restart(brokers: list[BrokerProcess], until: float) -> int:
    """One after the other, each only when the one before is ready again."""
    restarts = 0
    while time.monotonic() < until or restarts < len(brokers):
        broker = brokers[restarts % len(brokers)]
        assert await broker.stop() == 0, "it did not end as it should"
        await broker.start()
        restarts += 1
        # The balancer has to see it first.
        await asyncio.sleep(0.5)
    return restarts


async def _happen(around: Surroundings, until: float) -> None:
    """What Talkdesk tells meanwhile; each event's delivery is looked at in the end."""
    while time.monotonic() < until:
        installation = await around.talkdesk.install(GLOBEX, around.talkdesk.app("Wallboard"))
        await around.talkdesk.until_answered(installation, seconds=60)
        await around.talkdesk.uninstall(installation)
        await asyncio.sleep(0.5)
