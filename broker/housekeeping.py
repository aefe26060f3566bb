"""What has to be done now and then, whatever happens: what was kept for a time only is let go.

Leaves to others: credentials of an installation that is gone, which are erased with it at once.
"""

import asyncio
from datetime import timedelta

import structlog

from broker.errors import StorageError
from broker.ports import Clock, OneTimeValues, Retention

log = structlog.get_logger()

EVERY = timedelta(minutes=1)
KEPT = timedelta(days=30)
"""Bodies of events, done tasks, failures."""
_AT_ONCE = 500  # a step that others wait for a few milliseconds


async def keep_house(one_time: OneTimeValues, retention: Retention, now: Clock) -> None:
    """Work until cancelled."""
    while True:
        await asyncio.sleep(EVERY.total_seconds())
        try:
            await one_time.delete_expired(now())
            await forget_old(retention, now)
        except StorageError as error:
            log.warning("what is too old could not be deleted", error=str(error))


async def forget_old(retention: Retention, now: Clock) -> None:
    """Step by step, until nothing is left that is too old."""
    while await retention.forget(now() - KEPT, _AT_ONCE):
        pass
