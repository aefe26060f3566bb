"""Sign-outs as operators see them, and the logout tokens for apps."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from broker.listing.page import Page


@dataclass(frozen=True)
class LogoutFilter:
    """Which sign-outs; None is any."""

    account: str | None = None
    user: str | None = None
    installation: str | None = None
    """The one that it came through."""
    state: str | None = None
    since: datetime | None = None
    """Asked for at or after then."""


@dataclass(frozen=True)
class LogoutRow:
    """A sign-out, and how far it came."""

    number: int
    cause: str
    event: int | None
    account: str
    user: str | None
    """None: everybody of the account."""
    installation: str
    asked_at: datetime
    state: str
    """`open` (Keycloak was not told of all yet), `delivering`, `undelivered` (an app was not reached) or `done`."""
    told_at: datetime | None
    """When Keycloak had answered for every session."""
    completed_at: datetime | None
    sign_ons: int
    open: int
    """Logout tokens that an app has not confirmed yet."""
    confirmed: int
    undelivered: int
    """Logout tokens that an app refused, or did not take in time."""
    problem: str | None


@dataclass(frozen=True)
class DeliveryFilter:
    """Which logout tokens for apps; None is any."""

    relay: str | None = None
    state: str | None = None
    logout: int | None = None
    since: datetime | None = None
    """Received at or after then."""


@dataclass(frozen=True)
class DeliveryRow:
    """A logout token for an app, without the token."""

    number: int
    relay: str
    state: str
    attempts: int
    answer: str | None
    """What the last try ended with."""
    received_at: datetime
    settled_at: datetime | None
    expires_at: datetime
    logout: int | None
    """The sign-out that it belongs to; None where none of ours ended that session."""
    keycloak_session: str | None


class LogoutList(Protocol):
    """Sign-outs and what they made of it, newest first."""

    async def page(self, wanted: LogoutFilter, size: int, start: str | None = None) -> Page[LogoutRow]:
        """At most `size` sign-outs."""
        ...

    async def find(self, number: int) -> LogoutRow | None:
        """By number."""
        ...

    async def deliveries(self, wanted: DeliveryFilter, size: int, start: str | None = None) -> Page[DeliveryRow]:
        """At most `size` logout tokens for apps."""
        ...
