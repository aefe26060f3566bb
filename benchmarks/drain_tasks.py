"""Carries out the due tasks of a database with effects that do nothing, in a process of its own; `draining` starts it.

    python -m benchmarks.drain_tasks DATABASE_URL TASKS

The worker is the broker's, with its leases, its places and its log. Prints one JSON object.
"""

import asyncio
import json
import resource
import sys
import time

import uvloop

from broker import logs
from broker.model.task import Claim, TaskKind
from broker.storage.database import open_database
from broker.storage.sql_tasks import SqlTasks
from broker.worker import Worker


async def _drain(url: str, number: int) -> dict[str, float]:
    database = open_database(url)
    tasks, left = SqlTasks(database), number

    async def nothing(_claim: Claim) -> None:
        nonlocal left
        left -= 1
        if not left:
            worker.stop()

    worker = Worker(tasks, dict.fromkeys(TaskKind, nothing), "bench")
    began = time.perf_counter()
    await worker.run()
    seconds = time.perf_counter() - began
    assert await tasks.next_due() is None, "something is left"
    await database.close()
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "per_second": number / seconds,
        "cpu_ms": (used.ru_utime + used.ru_stime) / number * 1000,
        "peak_mib": used.ru_maxrss / 1024,
    }


def main() -> None:
    """Entry point."""
    url, number = sys.argv[1:]
    logs.configure(readable=False)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(_drain(url, int(number)))))


if __name__ == "__main__":
    main()
