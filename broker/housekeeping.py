"""What has to be done now and then, whatever happens: what was kept for a time only is let go, and old sign-ons end.

Leaves to others: credentials of an installation that is gone, which are erased with it at once.
"""

import asyncio
from datetime import timedelta
from typing import Protocol

import structlog

from broker.errors import StorageError
from broker.model.identity_provider import CONTESTED_FOR
from broker.ports import Clock, Deliveries, LogoutRecords, OneTimeValues, Repairs, Retention, SignOns

log = structlog.get_logger()

EVERY = timedelta(minutes=1)
KEPT = timedelta(days=30)
"""Bodies of events, done tasks, failures, records of sign-outs."""
_AT_ONCE = 500  # a step that others wait for a few milliseconds


class Kept(Protocol):
    """The stores that are looked after."""

    @property
    def one_time_values(self) -> OneTimeValues: ...

    @property
    def sign_ons(self) -> SignOns: ...

    @property
    def logout_records(self) -> LogoutRecords: ...

    @property
    def deliveries(self) -> Deliveries: ...

    @property
    def repairs(self) -> Repairs: ...

    @property
    def retention(self) -> Retention: ...


async def keep_house(kept: Kept, longest_session: timedelta, now: Clock) -> None:
    """Work until cancelled."""
    while True:
        await asyncio.sleep(EVERY.total_seconds())
        try:
            await tidy(kept, longest_session, now)
        except StorageError as error:
            log.warning("what is over could not be tidied up", error=str(error))


async def tidy(kept: Kept, longest_session: timedelta, now: Clock) -> None:
    """Once. Raises StorageError."""
    await kept.one_time_values.delete_expired(now())
    await kept.sign_ons.end_old(now() - longest_session)
    await kept.deliveries.forget(now() - KEPT)
    await kept.logout_records.forget(now() - KEPT)
    await kept.repairs.forget(now() - CONTESTED_FOR)
    await forget_old(kept.retention, now)


async def forget_old(retention: Retention, now: Clock) -> None:
    """Step by step, until nothing is left that is too old. Raises StorageError."""
    while await retention.forget(now() - KEPT, _AT_ONCE):
        pass
