"""One reconcile at a time, whichever process does it; and again every day.

Owns: the turn, its lease and its end. Leaves to others: what is done in it.
A process that is killed leaves a lease that runs out; whoever comes next begins anew, which costs the reading only: what
was repaired is found as it should be, and what was asked for are tasks in the database.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

import structlog

from broker.converge.reconcile import Plan, Reconcile
from broker.errors import KeycloakError, StorageError
from broker.ports import Turns

log = structlog.get_logger()

NAME = "reconcile"
LOOK_EVERY = timedelta(minutes=1)
_MOST_LINES = 50
"""Findings that are logged one by one: a realm that lost everything has as many as there are installations."""


class TurnLost(Exception):
    """Our lease ran out, and somebody else may be at it."""


@dataclass
class Turn:
    """A turn that we have, until it is lost."""

    is_lost: bool = False

    async def keep(self, turns: Turns, owner: str, lease: timedelta) -> None:
        """Keep it, for as long as it can be kept."""
        while not self.is_lost:
            await asyncio.sleep(lease.total_seconds() / 4)
            with suppress(StorageError):  # comes again before the lease runs out
                self.is_lost = not await turns.renew(NAME, owner, lease)

    async def go_on(self, *_: int) -> None:
        """Said after each step. Raises TurnLost."""
        if self.is_lost:
            raise TurnLost("it took too long, and another process may be at it")


@asynccontextmanager
async def turn(
    turns: Turns, owner: str, lease: timedelta, *, every: timedelta = timedelta(), is_all: bool = True
) -> AsyncIterator[Turn | None]:
    """Our turn, or None; done where the block ends well and is all that there was to do."""
    if not await turns.take(NAME, owner, lease, every=every):
        yield None
        return
    ours, is_done = Turn(), False
    keeping = asyncio.create_task(ours.keep(turns, owner, lease))
    try:
        yield ours
        is_done = is_all
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        await turns.give_back(NAME, owner, is_done=is_done)


async def reconcile_every(reconcile: Reconcile, turns: Turns, owner: str, lease: timedelta, every: timedelta) -> None:
    """Reconcile so often, together with all other processes; until cancelled."""
    while True:
        await asyncio.sleep(LOOK_EVERY.total_seconds())
        try:
            await reconcile_in_turn(reconcile, turns, owner, lease, every)
        except (KeycloakError, StorageError, TurnLost) as error:
            log.warning("reconcile did not come to its end; it comes again", error=str(error) or type(error).__name__)


async def reconcile_in_turn(
    reconcile: Reconcile, turns: Turns, owner: str, lease: timedelta, every: timedelta
) -> Plan | None:
    """Once, if it is time and nobody else is at it: what was found, and is on its way to be repaired.

    Raises KeycloakError, StorageError, TurnLost.
    """
    async with turn(turns, owner, lease, every=every) as ours:
        if ours is None:
            return None
        plan = await reconcile.plan(step=ours.go_on)
        await reconcile.ask_for_repairs(plan)
        _report(plan)
        return plan


def _report(plan: Plan) -> None:
    for each in plan.findings[:_MOST_LINES]:
        log.warning(
            "reconcile found",
            finding=each.kind.value,
            alias=each.alias,
            installation=each.installation,
            detail=each.detail,
        )
    counts = Counter(each.kind.value for each in plan.findings)
    log.info("reconciled", providers=plan.providers, installations=plan.installations, findings=dict(counts))
