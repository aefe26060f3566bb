"""Carries out due tasks with effects that do nothing, in a process of its own; run by `draining`.

    python -m benchmarks.drain_tasks DATABASE_URL TASKS OWNER

Tasks are of 1,000 installations, as after a long night without us: a converge, four answers and five sign-outs of each. The worker is the
broker's, with its leases, its places and its log. Prints one JSON object.
"""

import asyncio
import json
import resource
import sys
import time
from collections.abc import Iterator

import uvloop

from broker import logs
from broker.model.task import Claim, Task, TaskKind
from broker.storage.database import Database, open_database
from broker.storage.sql_tasks import SqlTasks, enqueue
from broker.worker import Worker

INSTALLATIONS = 1000
_OF_EACH = (TaskKind.CONVERGE, *[TaskKind.ANSWER] * 4, *[TaskKind.SIGN_OUT] * 5)
_AT_ONCE = 500


def _tasks(number: int) -> Iterator[Task]:
    for count in range(number):
        kind = _OF_EACH[count // INSTALLATIONS % len(_OF_EACH)]
        yield Task(kind, f"{count % INSTALLATIONS:032d}" if kind is TaskKind.CONVERGE else str(count))


async def _make_due(database: Database, number: int) -> None:
    tasks = list(_tasks(number))
    for at in range(0, number, _AT_ONCE):
        some = tasks[at : at + _AT_ONCE]
        await database.write(lambda connection, some=some: [enqueue(connection, task) for task in some])


async def _drain(url: str, number: int, owner: str) -> dict[str, float]:
    database = open_database(url)
    await _make_due(database, number)
    left = number

    async def nothing(_claim: Claim) -> None:
        nonlocal left
        left -= 1
        if not left:
            worker.stop()

    worker = Worker(SqlTasks(database), dict.fromkeys(_OF_EACH, nothing), owner)
    began, before = time.perf_counter(), _peak_mib()
    await worker.run()
    seconds, grown = time.perf_counter() - began, _peak_mib() - before
    assert await SqlTasks(database).next_due() is None, "something is left"
    await database.close()
    return {"per_second": number / seconds, "grown_mib": grown}


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Entry point."""
    url, number, owner = sys.argv[1:]
    logs.configure(readable=False)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(_drain(url, int(number), owner))))


if __name__ == "__main__":
    main()
