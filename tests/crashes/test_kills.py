"""SIGKILL at random points under a stream of events, and a start on the same data."""

import asyncio
import os
import random

import pytest

from tests.crashes.customers import Customers
from tests.crashes.effects import leases, missing, open_tasks, refused_though_taken, taken_events, until_none
from tests.crashes.surroundings import LEASE_S, Surroundings
from tests.processes import BrokerProcess
from tests.waiting import eventually

KILLS = int(os.environ.get("TEST_KILLS", "20"))
_SLACK_S = 20
"""For a busy machine: a start, a poll, a claim."""


@pytest.mark.timeout(180 + 20 * KILLS)
async def test_whatever_was_taken_is_done(around: Surroundings, capsys: pytest.CaptureFixture[str]) -> None:
    """Every event that was answered with 2xx has its effect, no lease of a dead process outlives its time, nobody is signed out for nothing."""
    chance = random.Random()
    broker = around.broker()
    customers = Customers(around.talkdesk, around.talkdesk.app("Wallboard"), f"{around.wallboard.url}/", chance)
    left_leases = 0
    async with customers.busy():
        for _ in range(KILLS):
            await _kill_at_random(around, broker, chance)
            left_leases += len(leases(around))
        left = leases(around)
        await broker.start()
        await eventually(lambda: not left & leases(around), what="dead leases ran out", seconds=LEASE_S + _SLACK_S)
    await until_none(lambda: open_tasks(around), what="nothing is due any more", seconds=120)
    await until_none(lambda: missing(around, customers.signed_on), what="all is as the events say", seconds=30)
    assert not refused_though_taken(around)
    assert not broker.complaints()
    assert left_leases, "no kill met a task under way: this proves nothing"
    taken = taken_events(around)
    kinds = {kind: sum(1 for each in taken if each.event.type == kind) for kind in {each.event.type for each in taken}}
    with capsys.disabled():
        print(
            f"\n{KILLS} kills, {len(taken)} events taken {kinds}, {len(customers.signed_on)} sign-ons, "
            f"{left_leases} tasks were left under way"
        )


async def _kill_at_random(around: Surroundings, broker: BrokerProcess, chance: random.Random) -> None:
    """Four in five soon after it took some events, the fifth while it starts. The sleep is the chance: nothing is waited for in it."""
    broker.spawn()
    if chance.random() < 0.8:
        await broker.until_ready()
        enough = _accepted(around) + chance.randint(1, 8)
        await around.talkdesk.wait_until(lambda: _accepted(around) >= enough, what="some events are taken", seconds=60)
        await asyncio.sleep(chance.uniform(0, 0.1))
    else:
        await asyncio.sleep(chance.uniform(0, 1.5))
    broker.kill()


def _accepted(around: Surroundings) -> int:
    return sum(1 for each in around.talkdesk.deliveries if each.is_accepted)
