"""The broker, whose worker does nothing: what accepting an event costs by itself. Draining has a measurement of its own.

python -m benchmarks.broker_without_worker serve
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from broker.app import Broker
from broker.cli import main


@asynccontextmanager
async def _without_worker(_broker: Broker) -> AsyncIterator[None]:
    yield


if __name__ == "__main__":
    Broker.working = _without_worker  # type: ignore[method-assign,assignment]
    main()
