"""Sign-ons as operators see them, those that failed too."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from broker.listing.page import Page
from broker.model.failure import Failure


@dataclass(frozen=True)
class SignOnFilter:
    """Which sign-ons; None is any."""

    account: str | None = None
    user: str | None = None
    installation: str | None = None
    logout: int | None = None
    """Ended by this sign-out."""
    only_live: bool = False
    """Not ended."""


@dataclass(frozen=True)
class SignOnRow:
    """A sign-on."""

    sign_on: str
    account: str
    user: str
    installation: str
    begun_at: datetime
    """On Talkdesk's clock."""
    created_at: datetime
    state: str
    ended_at: datetime | None
    told_at: datetime | None
    """When Keycloak last answered that it has ended."""
    told_status: int | None
    logout: int | None
    """The sign-out that ended it; None where the next launch did, or time."""
    keycloak_session: str | None


@dataclass(frozen=True)
class SignedOn:
    """Somebody who is signed on."""

    account: str
    user: str
    installation: str
    """Through which the last sign-on came."""
    app: str
    begun_at: datetime
    """When the last sign-on began, on Talkdesk's clock."""


class SignOnList(Protocol):
    """Sign-ons, newest first."""

    async def page(self, wanted: SignOnFilter, size: int, start: str | None = None) -> Page[SignOnRow]:
        """At most `size` sign-ons."""
        ...

    async def people(self, wanted: SignOnFilter) -> Sequence[SignedOn]:
        """Everybody with a sign-on that has not ended, among those that are wanted."""
        ...


@dataclass(frozen=True)
class FailureFilter:
    """Which failed sign-ons; None is any."""

    stage: str | None = None
    reason: str | None = None
    installation: str | None = None
    since: datetime | None = None


class FailureList(Protocol):
    """Failed sign-ons, newest first."""

    async def page(self, wanted: FailureFilter, size: int, start: str | None = None) -> Page[Failure]:
        """At most `size` failures."""
        ...
