"""A reconcile with nothing to do beside the bare listing by the same client, in turns, in a process of its own; `installations` starts it.

    python -m benchmarks.reconcile_alone TURNS

It has the settings of the broker beside which it runs. Prints one JSON object.
"""

import asyncio
import json
import sys
import time

import uvloop

from broker import logs
from broker.app import Broker, open_broker
from broker.converge.reconcile import PAGE
from broker.settings import load
from tests.processes import memory_of


async def _list(broker: Broker) -> int:
    """Every page, one after the other; how many identity providers there are."""
    number = 0
    while page := await broker.reconcile.providers.page(number, PAGE):
        number += len(page)
        if len(page) < PAGE:
            break
    return number


async def _take_turns(turns: int) -> dict[str, object]:
    settings, config = load()
    took: dict[str, list[float]] = {"listing_s": [], "reconcile_s": []}
    async with open_broker(settings, config) as broker:
        for turn in range(turns + 1):
            began = time.perf_counter()
            number = await _list(broker)
            listed = time.perf_counter()
            plan = await broker.reconcile.plan()
            reconciled = time.perf_counter()
            assert (plan.providers, plan.installations, plan.findings) == (number, number, []), plan.findings[:3]
            if turn:  # the first one warms up
                took["listing_s"].append(listed - began)
                took["reconcile_s"].append(reconciled - listed)
    return {**took, "peak_bytes": memory_of("self", "VmHWM")}


def main() -> None:
    """Entry point."""
    logs.configure(readable=False)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(_take_turns(int(sys.argv[1])))))


if __name__ == "__main__":
    main()
