"""The database goes away and comes back: PostgreSQL restarts in mid-stream; the disk below SQLite is full, or read-only."""

import asyncio
import json
import random
import subprocess
import sys
from collections import Counter, namedtuple
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from demo.talkdesk import ACME, Delivery, Installation, StandIn
from tests.crashes.customers import Customers
from tests.crashes.disk import Disk
from tests.crashes.effects import missing, open_tasks, refused_though_taken, until_none
from tests.crashes.surroundings import Surroundings, surroundings
from tests.kept_data import KeptData
from tests.waiting import eventually

RESTARTS = 3
_MOST_EVENTS = 3000
"""That find room on a full disk: SQLite uses its log of writes again."""


@pytest.mark.postgresql
@pytest.mark.timeout(400)
@pytest.mark.parametrize("around", ["postgresql"], indirect=True)
async def test_postgresql_restarts_in_mid_stream(around: Surroundings, request: pytest.FixtureRequest) -> None:
    """The broker stays up, says 503 to what it can't keep, and does all that it took when the server is back."""
    server = request.getfixturevalue("postgresql")
    customers = Customers(
        around.talkdesk, around.talkdesk.app("Wallboard"), f"{around.wallboard.url}/", random.Random()
    )
    broker = around.broker()
    await broker.start()
    first = broker.pid
    async with customers.busy():
        for _ in range(RESTARTS):
            before = _statuses(around.talkdesk)[202]
            await around.talkdesk.wait_until(
                partial(_took_more_than, around.talkdesk, before + 5), what="some are taken", seconds=60
            )
            await asyncio.to_thread(server.restart)
        await broker.until_ready()
    await until_none(lambda: open_tasks(around), what="nothing is due any more", seconds=120)
    await until_none(lambda: missing(around, customers.signed_on), what="all is as the events say", seconds=30)
    assert not refused_though_taken(around)
    assert set(_statuses(around.talkdesk)) <= {200, 202, 503, None}
    assert broker.pid == first


@pytest.mark.timeout(400)
async def test_a_full_disk_is_said_and_outlived(tmp_path: Path) -> None:
    """SQLite on a small disk that somebody else fills: 503 and no 2xx for what can't be kept; when there is room again, all goes on by itself."""
    disk = Disk(tmp_path / "disk")
    data = KeptData("", {"BROKER_DATA_DIR": str(disk.folder)})
    async with surroundings(tmp_path, data) as around:
        broker = around.broker(within=disk.within)
        await broker.start()
        around.data = _KeptOnDisk(data.url, data.settings, disk.seen_by(broker))
        await around.talkdesk.until_answered(await _install(around.talkdesk), seconds=60)
        disk.fill(broker)
        refused = await _until_refused(around.talkdesk)
        assert not refused_though_taken(around)
        disk.empty(broker)
        await eventually(lambda: _is_taken(around.talkdesk, refused), what="the broker takes events again", seconds=60)
        await until_none(lambda: open_tasks(around), what="nothing is due any more", seconds=120)
        await until_none(lambda: missing(around, []), what="all is as the events say", seconds=30)
        assert not refused_though_taken(around)
        assert set(_statuses(around.talkdesk)) <= {200, 202, 503}
        assert {each["event"] for each in broker.complaints()} <= {"a task could not be marked"}


async def test_a_read_only_disk_is_said_at_the_start(tmp_path: Path) -> None:
    """One line, no traceback, exit code 1."""
    disk = Disk(tmp_path / "disk", is_read_only=True)
    async with surroundings(tmp_path, KeptData("", {"BROKER_DATA_DIR": str(disk.folder)})) as around:
        broker = around.broker(within=disk.within)
        broker.spawn()
        assert await broker.ended() == 1
        [line] = broker.log.read_text().splitlines()
        assert line.startswith("The ")
        assert "Traceback" not in line


@dataclass(frozen=True)
class _KeptOnDisk(KeptData):
    """Data on a disk of the broker's own. SQLite looks through links, so that it can't be led there by a path from outside."""

    seen_by: Sequence[str]

    def rows(self, query: str) -> Sequence[Any]:
        """As ever."""
        path = f"{self.settings['BROKER_DATA_DIR']}/broker.sqlite3"
        command = [*self.seen_by, sys.executable, "-c", _READ, path, query]
        names, rows = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        return [namedtuple("Row", names)(*row) for row in rows]


_READ = """
import json, sqlite3, sys
found = sqlite3.connect(sys.argv[1], timeout=30).execute(sys.argv[2])
print(json.dumps([[column[0] for column in found.description], found.fetchall()]))
"""


async def _install(talkdesk: StandIn) -> Installation:
    return await talkdesk.install(ACME, talkdesk.app("Wallboard"))


async def _until_refused(talkdesk: StandIn) -> Delivery:
    """Installs, until there is no room for one."""
    for _ in range(_MOST_EVENTS):
        [delivery] = (await _install(talkdesk)).deliveries
        if not delivery.is_accepted:
            assert delivery.status == 503, delivery
            return delivery
    raise AssertionError(f"{_MOST_EVENTS} events found room on a full disk")


async def _is_taken(talkdesk: StandIn, delivery: Delivery) -> bool:
    return (await talkdesk.deliver(delivery.event)).is_accepted


def _took_more_than(talkdesk: StandIn, number: int) -> bool:
    return _statuses(talkdesk)[202] > number


def _statuses(talkdesk: StandIn) -> Counter[int | None]:
    """Answers to every attempt; None where none came."""
    return Counter(attempt.status for each in talkdesk.deliveries for attempt in each.attempts)
