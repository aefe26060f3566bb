"""What has to be done now and then, whatever happens: expired one-time values are deleted."""

import asyncio
from datetime import timedelta

import structlog

from broker.errors import StorageError
from broker.ports import Clock, OneTimeValues

log = structlog.get_logger()

EVERY = timedelta(minutes=1)


async def keep_house(one_time: OneTimeValues, now: Clock) -> None:
    """Work until cancelled."""
    while True:
        await asyncio.sleep(EVERY.total_seconds())
        try:
            await one_time.delete_expired(now())
        except StorageError as error:
            log.warning("expired values could not be deleted", error=str(error))
