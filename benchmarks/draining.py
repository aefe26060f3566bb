"""How fast due tasks are carried out, and whether memory grows with how many there are.

Tasks are of 1,000 installations, as after a long night without us: a converge, four answers and five sign-outs of each.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from sqlalchemy import Connection

from benchmarks.databases import Backend
from benchmarks.result import Result
from broker.model.task import Task, TaskKind
from broker.storage.database import open_database
from broker.storage.sql_tasks import enqueue

INSTALLATIONS = 1_000
_OF_EACH = (TaskKind.CONVERGE, *[TaskKind.ANSWER] * 4, *[TaskKind.SIGN_OUT] * 5)
DEPTHS = (1_000, 10_000)
MOST_GROWTH_MIB = 8.0
"""Of peak memory from 1,000 to 10,000 tasks. One kilobyte a task would be 9."""
_AT_ONCE = 500


def measure(backend: Backend) -> Iterator[Result]:
    """Drain a shallow database, then a deep one."""
    shallow, deep = [_drain(backend, depth) for depth in DEPTHS]
    what = f"{DEPTHS[-1]:,} tasks with no effect"
    yield Result(backend.name, what, deep["per_second"], "/s", at_least=backend.least_drained)
    yield Result(backend.name, "  processor time of one", deep["cpu_ms"], "ms")
    growth = deep["peak_mib"] - shallow["peak_mib"]
    yield Result(backend.name, f"  memory: {DEPTHS[1]:,} against {DEPTHS[0]:,}", growth, "MiB", at_most=MOST_GROWTH_MIB)


def _drain(backend: Backend, depth: int) -> dict[str, float]:
    with backend.new_database() as (data, folder):
        asyncio.run(_make_due(data.url, depth))
        command = [sys.executable, "-m", "benchmarks.drain_tasks", data.url, str(depth)]
        log = folder / "drain.log"
        with log.open("wb") as output:
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=output)
        assert _done(log) == depth, "the log does not have all tasks"
        measured: dict[str, float] = json.loads(done.stdout)
        return measured


async def _make_due(url: str, number: int) -> None:
    database = open_database(url)
    tasks = _tasks()
    for _ in range(0, number, _AT_ONCE):
        await database.write(partial(_enqueue, list(islice(tasks, _AT_ONCE))))
    await database.close()


def _enqueue(tasks: Sequence[Task], connection: Connection) -> None:
    for task in tasks:
        enqueue(connection, task)


def _tasks() -> Iterator[Task]:
    """A first task of each installation, then a second of each, and so on."""
    for place, kind in enumerate(_OF_EACH):
        for number in range(INSTALLATIONS):
            yield Task(kind, f"{number:032d}" if kind is TaskKind.CONVERGE else str(place * INSTALLATIONS + number))


def _done(log: Path) -> int:
    return sum(1 for line in log.open() if '"a task is done"' in line)
