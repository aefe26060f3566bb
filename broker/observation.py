"""What is worth counting, said by whoever sees it: flows know this port and no metrics library.

Owns: the port, its twin that does nothing, and how long an event waited for its effect.
Leaves to others: names and labels of metrics (`web.metrics`). Nothing that is observed names a person, an installation or a secret.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import structlog

from broker.errors import StorageError
from broker.model.task import Claim, Task, TaskKind
from broker.ports import Clock, Json, RealmKeys

log = structlog.get_logger()


class RunOutcome(StrEnum):
    """How one run of a task ended."""

    DONE = "done"
    RETRIED = "retried"
    """It comes again after a while."""
    NOT_YET = "not yet"
    """Nothing was to be done; it comes again when there may be."""
    FAILED = "failed"
    """Given up: it stays failed until it is asked for again."""


class Observer(Protocol):
    """Is told; answers nothing and never raises."""

    def event_received(self, event_type: str, outcome: str) -> None:
        """A delivery was answered with success. `outcome`: what became of the event, or `duplicate`."""
        ...

    def delivery_refused(self, reason: str) -> None:
        """A delivery was answered with an error."""
        ...

    def event_took_effect(self, event_type: str, after_s: float) -> None:
        """What follows from an event is done, so long after its receipt."""
        ...

    def task_ran(self, kind: TaskKind, outcome: RunOutcome, took_s: float) -> None:
        """One run of a task is over."""
        ...

    def signed_on(self, app: str) -> None:
        """Keycloak was given the ID token of a sign-on to this app."""
        ...

    def sign_on_failed(self, app: str | None, stage: str, reason: str) -> None:
        """A person saw the error page; None where it is not known of which app."""
        ...

    def logout_token_posted(self, status: int | None) -> None:
        """Keycloak was sent a logout token; None where no answer came."""
        ...

    def relay_refused(self, reason: str) -> None:
        """A logout token for an app was not taken."""
        ...

    def logout_delivered(self, relay: str, outcome: str) -> None:
        """No more tries for a logout token at this app: `confirmed at once`, `confirmed` (by a later try), `refused`, `expired`."""
        ...

    def logout_confirmed(self, after_s: float) -> None:
        """The last app has confirmed a logout, so long after it was asked for."""
        ...

    def call_ended(self, peer: str, operation: str, status: int | None, took_s: float) -> None:
        """A call to `keycloak` or `talkdesk` is over; None where no answer came."""
        ...

    def clock_seen(self, peer: str, ahead_s: float) -> None:
        """So far our clock was ahead of this peer's (negative: behind), as of now."""
        ...


class Unobserved:
    """`Observer` that does nothing."""

    def event_received(self, event_type: str, outcome: str) -> None:
        """Nothing."""

    def delivery_refused(self, reason: str) -> None:
        """Nothing."""

    def event_took_effect(self, event_type: str, after_s: float) -> None:
        """Nothing."""

    def task_ran(self, kind: TaskKind, outcome: RunOutcome, took_s: float) -> None:
        """Nothing."""

    def signed_on(self, app: str) -> None:
        """Nothing."""

    def sign_on_failed(self, app: str | None, stage: str, reason: str) -> None:
        """Nothing."""

    def logout_token_posted(self, status: int | None) -> None:
        """Nothing."""

    def relay_refused(self, reason: str) -> None:
        """Nothing."""

    def logout_delivered(self, relay: str, outcome: str) -> None:
        """Nothing."""

    def logout_confirmed(self, after_s: float) -> None:
        """Nothing."""

    def call_ended(self, peer: str, operation: str, status: int | None, took_s: float) -> None:
        """Nothing."""

    def clock_seen(self, peer: str, ahead_s: float) -> None:
        """Nothing."""


UNOBSERVED = Unobserved()


# --- From the receipt of an event to its effect ---------------------------------------------------


@dataclass(frozen=True)
class Origin:
    """The event that a task carries out."""

    type: str
    received_at: datetime


class Origins(Protocol):
    """Which event a task carries out."""

    async def find(self, task: Task) -> Origin | None:
        """The event whose effect the task was; None where it follows from no single event, or the event still waits for its answer."""
        ...


@dataclass(frozen=True)
class Timed:
    """An effect, after which is said how long its event waited. Asked for again later (`events retry`), it is said again."""

    effect: Callable[[Claim], Awaitable[None]]
    origins: Origins
    observer: Observer
    now: Clock

    async def __call__(self, claim: Claim) -> None:
        """Carry out the task. Raises what the effect raises, and nothing else: what is done is not done again for a number."""
        await self.effect(claim)
        try:
            origin = await self.origins.find(claim.task)
        except StorageError as error:
            log.warning("how long an event waited is not known", error=str(error))
            return
        if origin is not None:
            self.observer.event_took_effect(origin.type, (self.now() - origin.received_at).total_seconds())


# --- Others' clocks -------------------------------------------------------------------------------


@dataclass(frozen=True)
class KeysWithClock:
    """`RealmKeys` for tokens that Keycloak made just now; says what the other one says, and what time it is there (docs/decisions/0014)."""

    realm_keys: RealmKeys
    observer: Observer

    async def verify(self, token: str, now: datetime) -> Json:
        """As the port says."""
        claims = await self.realm_keys.verify(token, now)
        issued_at = claims.get("iat")
        if isinstance(issued_at, int | float):
            self.observer.clock_seen("keycloak", now.timestamp() - issued_at)
        return claims
