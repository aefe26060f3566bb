"""Carries out tasks: claim, run, mark.

Owns: leases, time-outs, retries, how much runs at once. Leaves to others: what a task does, and what follows from facts.
No transaction is open while a task runs. Kinds have places of their own, so that a stuck answer to Talkdesk delays no sign-out.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import structlog

from broker.errors import NotYet, OutsideError, StorageError
from broker.model.task import Claim, TaskKind
from broker.observation import UNOBSERVED, Observer, RunOutcome
from broker.ports import Tasks
from broker.tracing import begin_task

log = structlog.get_logger()

Effect = Callable[[Claim], Awaitable[None]]
"""Carries out one task. Redoing it is harmless. Raises OutsideError or NotYet to be called again."""

LEASE = timedelta(seconds=60)
LONGEST_RUN = 0.75
"""Of its lease: then an effect is cut off, since nobody else may be at the same task meanwhile."""
POLL_S = 1.0
"""How often to look for what another process left; what this one makes wakes it at once."""
PLACES: Mapping[TaskKind, int] = {
    TaskKind.CONVERGE: 4,
    TaskKind.ANSWER: 4,
    TaskKind.SIGN_OUT: 8,
    TaskKind.END_SIGN_ON: 2,
    TaskKind.CHECK: 2,
    TaskKind.ALERT: 2,
    TaskKind.ALERT_UNDELIVERED: 2,
    TaskKind.ALERT_CONTESTED: 2,
    TaskKind.DELIVER: 8,
}
_FIRST_DELAY_S = 1.0
_LONGEST_DELAY_S = 600.0
LONGEST_ASKED = timedelta(hours=1)
"""Most that a `Retry-After` is honoured: a mistake at the other end must not put an answer off for days."""
_STOP_S = 10.0


class Worker:
    """One loop and the tasks that it has under way."""

    def __init__(
        self,
        tasks: Tasks,
        effects: Mapping[TaskKind, Effect],
        owner: str,
        observer: Observer = UNOBSERVED,
        *,
        lease: timedelta = LEASE,
        places: Mapping[TaskKind, int] = PLACES,
    ) -> None:
        """`owner` names this process in leases; no two may share it."""
        self._places = places
        self._observer = observer
        self._lease = lease
        self._tasks = tasks
        self._effects = effects
        self._owner = owner
        self._wake = asyncio.Event()
        self._running: dict[asyncio.Task[None], TaskKind] = {}
        self._stopping = False
        self._beat: float | None = None

    @property
    def lease(self) -> timedelta:
        """How long it claims tasks for."""
        return self._lease

    def wake(self) -> None:
        """Something may be due now."""
        self._wake.set()

    def beat_age(self) -> timedelta | None:
        """How long ago it last looked for work; None before the first time. It looks at least every `POLL_S`."""
        return None if self._beat is None else timedelta(seconds=time.monotonic() - self._beat)

    async def run(self) -> None:
        """Work until `stop`, and then let what is under way end; outlives failures of the database."""
        while not self._stopping:
            self._wake.clear()
            self._beat = time.monotonic()
            try:
                wait_s = await self._claim_and_start()
            except StorageError as error:
                log.warning("the database can't be used; trying again", error=str(error))
                wait_s = POLL_S
            except Exception:
                # A fault of ours must not end the loop: events would be taken, and nothing be done.
                log.exception("the worker stumbled; trying again")
                wait_s = POLL_S
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), wait_s)
        await self._let_end()

    def stop(self) -> None:
        """Take nothing more; `run` returns when what is under way has ended or was given back."""
        self._stopping = True
        self.wake()

    async def _let_end(self) -> None:
        if not self._running:
            return
        _, late = await asyncio.wait(self._running, timeout=_STOP_S)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _claim_and_start(self) -> float:
        free = {kind: self._places[kind] - self._count(kind) for kind in self._effects}
        claims = await self._tasks.claim(self._owner, {kind: n for kind, n in free.items() if n > 0}, self._lease)
        for claim in claims:
            task = asyncio.create_task(self._carry_out(claim))
            self._running[task] = claim.task.kind
            task.add_done_callback(self._ended)
        if self._wake.is_set():
            # Something ended, or came, while we claimed: look again at once.
            return 0.0
        due = await self._tasks.next_due()
        if due is None or (not due and self._is_full()):
            # What is due and was not claimed waits for a place; the end of a running task wakes us.
            return POLL_S
        return min(POLL_S, max(due.total_seconds(), 0.02))

    def _is_full(self) -> bool:
        return any(self._count(kind) >= self._places[kind] for kind in self._effects)

    def _count(self, kind: TaskKind) -> int:
        return sum(1 for running in self._running.values() if running is kind)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._running[task]
        self.wake()

    async def _carry_out(self, claim: Claim) -> None:
        begin_task(claim)  # an asyncio task has a context of its own
        try:
            await self._try(claim)
        except StorageError:
            # Its lease runs out, and it is done again.
            log.exception("a task could not be marked")
        except asyncio.CancelledError:
            with contextlib.suppress(StorageError):
                await self._tasks.postpone(claim, timedelta(0), "stopped")
            raise

    async def _try(self, claim: Claim) -> None:
        began = time.perf_counter()
        outcome = await self._run(claim)
        self._observer.task_ran(claim.task.kind, outcome, time.perf_counter() - began)

    async def _run(self, claim: Claim) -> RunOutcome:
        known = {"attempt": claim.attempts + 1}
        try:
            async with asyncio.timeout(self._lease.total_seconds() * LONGEST_RUN):
                await self._effects[claim.task.kind](claim)
        except NotYet as waits:
            await self._tasks.postpone(claim, waits.after, str(waits), is_anew=True)
            return RunOutcome.NOT_YET
        except OutsideError as error:
            return await self._put_off(claim, error, known)
        except StorageError:
            raise
        except TimeoutError:
            log.warning("a task took too long", **known)
            await self._tasks.postpone(claim, delay_after(claim.attempts), "took too long")
        except Exception as error:
            # A fault of ours: kept visible and tried again, since a lost event is a customer that can't sign on.
            log.exception("a task failed unexpectedly", **known)
            await self._tasks.postpone(claim, delay_after(claim.attempts), type(error).__name__)
        else:
            await self._tasks.finish(claim)
            log.info("a task is done", **known)
            return RunOutcome.DONE
        return RunOutcome.RETRIED

    async def _put_off(self, claim: Claim, error: OutsideError, known: Mapping[str, Any]) -> RunOutcome:
        # The one line that has to wake somebody up: its name is in docs/events.md, and stays.
        note = log.error if error.is_alarming else log.warning
        event = "task needs attention" if error.is_alarming else "a task failed"
        note(event, **known, error=str(error), status=error.status, final=error.is_final)
        if error.is_final:
            await self._tasks.give_up(claim, str(error))
            return RunOutcome.FAILED
        asked = min(error.retry_after or timedelta(), LONGEST_ASKED)
        after = max(delay_after(claim.attempts), asked)
        await self._tasks.postpone(claim, after, str(error), is_alarming=error.is_alarming)
        return RunOutcome.RETRIED


def delay_after(attempts: int, chance: Callable[[], float] = random.random) -> timedelta:
    """How long to wait after so many earlier attempts: doubling, capped, between half and all of it by chance."""
    full = min(_FIRST_DELAY_S * 2.0 ** min(attempts, 30), _LONGEST_DELAY_S)
    return timedelta(seconds=full * (0.5 + 0.5 * chance()))
