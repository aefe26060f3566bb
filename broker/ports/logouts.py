"""Ports of sign-outs on their way: who is to be signed out, and what apps are to be told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from broker.model.delivery import Delivery, DeliveryState, ReceivedToken, Undelivered
from broker.model.facts import LoggedOut
from broker.model.logout import Completed, Logout, LogoutCause


@dataclass(frozen=True)
class Asked:
    """Who is to be signed out, and where that comes from."""

    logout: LoggedOut
    cause: LogoutCause
    event: int
    """Row of the event."""
    received_at: datetime


class Logouts(Protocol):
    """What `user.logout` events said, and the logouts that removals and operators brought."""

    async def get(self, number: int) -> Asked:
        """By row number. Raises KeyError."""
        ...

    async def are_done(self, event: str) -> bool:
        """Whether the first round of every sign-out that this event asked for (by its row number) is done."""
        ...


class LogoutRecords(Protocol):
    """What was to be signed out, and how far it came. Times are our clock's."""

    async def begin(self, logout: Logout, now: datetime) -> int:
        """Its number; begun before, its record goes on."""
        ...

    async def note_problem(self, number: int, problem: str) -> None:
        """Why it is not told yet."""
        ...

    async def mark_told(self, number: int, now: datetime, problem: str | None) -> Completed | None:
        """Keycloak has answered for every session; the logout, where it is complete by that. `problem`: what Keycloak could not do."""
        ...

    async def forget(self, asked_before: datetime) -> int:
        """Delete those that were asked for before then; how many."""
        ...


class Deliveries(Protocol):
    """Logout tokens of Keycloak's on their way to apps. Times are our clock's."""

    async def receive(self, received: ReceivedToken, now: datetime, due_at: datetime) -> int | None:
        """Keep it, with the task that delivers it if nobody does before `due_at`; its number. None where its `jti` is known already.

        It belongs to the logout that ended the Keycloak session; where nobody saw that session, to the one that just ended its person's.
        """
        ...

    async def due(self, relay: str, now: datetime, most: int) -> Sequence[Delivery]:
        """Open ones of this app that are due, those that wait longest first; at most so many."""
        ...

    async def next_due(self, relay: str) -> datetime | None:
        """When the next open one of this app is due; None where none is open."""
        ...

    async def postpone(self, number: int, now: datetime, due_at: datetime, answer: str) -> None:
        """A try failed: try again then. The task comes in time for it."""
        ...

    async def settle(self, number: int, state: DeliveryState, now: datetime, answer: str) -> Completed | None:
        """No more tries. The logout that it belongs to, where that is complete by it; said again, nothing changes.

        One that was not confirmed asks for the task that tells the operator.
        """
        ...

    async def undelivered(self, relay: str) -> Undelivered | None:
        """What the operator was not told of yet; None where there is nothing."""
        ...

    async def mark_alerted(self, relay: str, told: Undelivered, now: datetime) -> None:
        """The operator was told of these."""
        ...

    async def forget(self, received_before: datetime) -> int:
        """Delete the records of those that were received before then; how many."""
        ...
