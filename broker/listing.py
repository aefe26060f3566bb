"""What operators may read of the database: rows, filters, and the ports that give them page by page.

Nothing here holds a secret, and no port opens a sealed value: whoever lists needs no sealing key.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Protocol, TypeVar

from broker.model.failure import Failure
from broker.model.task import Task

T = TypeVar("T")


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some rows. A page may be short, or even empty, though more follow: `next` says so."""

    rows: Sequence[T]
    next: str | None
    """Where the next page begins, for the same list; None at the end."""


@dataclass(frozen=True)
class EventFilter:
    """Which events; None is any."""

    type: str | None = None
    state: str | None = None
    installation: str | None = None
    account: str | None = None
    app: str | None = None
    since: datetime | None = None
    """Received at or after then."""
    only_unanswered: bool = False
    """Taken, and Talkdesk still waits for an answer."""


@dataclass(frozen=True)
class EventRow:
    """An event, without its body."""

    number: int
    event: str
    type: str
    app: str
    account: str | None
    installation: str | None
    created_at: datetime | None
    """On Talkdesk's clock."""
    received_at: datetime
    state: str
    answer: str | None
    body_kept: bool
    """Whether the body is kept, sealed."""


class EventList(Protocol):
    """Events, newest first."""

    async def page(self, wanted: EventFilter, size: int, start: str | None = None) -> Page[EventRow]:
        """At most `size` events."""
        ...

    async def find(self, number: int) -> EventRow | None:
        """By row number."""
        ...


@dataclass(frozen=True)
class TaskRow:
    """A task as it stands."""

    kind: str
    key: str
    state: str
    due_at: datetime
    attempts: int
    error: str | None


class TaskList(Protocol):
    """Tasks that belong to something."""

    async def of_event(self, number: int) -> Sequence[TaskRow]:
        """Tasks that follow from this event; the converge of an installation follows from all of its events."""
        ...

    async def following(self, number: int) -> Sequence[Task]:
        """What has to be asked for so that all that follows from this event is done again; nothing where it states nothing."""
        ...

    async def of_installation(self, installation: str) -> Sequence[TaskRow]:
        """Its converge and its check, and the answers and sign-outs of its events."""
        ...


@dataclass(frozen=True)
class InstallationFilter:
    """Which installations; None is any."""

    account: str | None = None
    app: str | None = None
    state: str | None = None
    only_suspect: bool = False
    """Talkdesk refuses their credentials."""


@dataclass(frozen=True)
class InstallationRow:
    """An installation, as its facts fold, with its newest identity provider."""

    installation: str
    app: str
    account: str
    account_name: str | None
    state: str
    """`active`, why it is closed (`uninstalled`, `suspended`, `trial expired`), or `only heard of`: no install or uninstall ever came."""
    changed_at: datetime | None
    """On Talkdesk's clock."""
    alias: str | None
    identity_provider: str | None
    """State of the identity provider."""
    credentials_kept: bool
    suspect_since: datetime | None
    """Since when Talkdesk refuses its credentials, as if its `app.uninstalled` had been lost."""


class InstallationList(Protocol):
    """Installations, by id."""

    async def page(self, wanted: InstallationFilter, size: int, start: str | None = None) -> Page[InstallationRow]:
        """At most `size` installations."""
        ...

    async def find(self, installation: str) -> InstallationRow | None:
        """By id."""
        ...


@dataclass(frozen=True)
class AccountRow:
    """A Talkdesk account of which an installation was heard."""

    account: str
    account_name: str | None
    """As its newest install names it."""
    installations: int
    active: int
    apps: Sequence[str]
    """Apps with an active installation."""
    user_id_source: str | None
    """Field of userinfo that names its users; None before the first sign-on."""


class AccountList(Protocol):
    """Accounts, by id."""

    async def page(self, size: int, start: str | None = None) -> Page[AccountRow]:
        """At most `size` accounts."""
        ...

    async def find(self, account: str) -> AccountRow | None:
        """By id."""
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
class TaskCount:
    """How many tasks of one kind are in one state."""

    kind: str
    state: str
    """`due`, `waiting` (for a later time), `alarming` (waiting, and a person has to look), `running` or `failed`."""
    count: int
    oldest_s: float
    """How long the oldest of them has been due; 0 where none is."""


class Backlog(Protocol):
    """Tasks that are not done."""

    async def count(self) -> Sequence[TaskCount]:
        """By kind and state, in one query that reads an index only; what is none is left out."""
        ...
