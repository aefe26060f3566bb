"""Events as operators see them, and the tasks that follow from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from broker.listing.page import Page
from broker.model.task import Task


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
