"""Ports of what Talkdesk tells: events, and what they ask for."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from broker.model.event import Event, EventKey
from broker.model.facts import Fact
from broker.model.names import InstallationId
from broker.model.task import TaskKind


class Receipt(StrEnum):
    """What became of a delivery."""

    NEW = "new"
    DUPLICATE = "duplicate"
    OTHER_OWNER = "other owner"
    """The installation belongs to another app or account; nothing was stored."""


class Events(Protocol):
    """Events, with the facts that they state."""

    async def receive(self, event: Event, facts: Sequence[Fact], tasks: Sequence[TaskKind]) -> Receipt:
        """Store the event, its facts, and a task of each kind, all or nothing.

        Keys of tasks are of the store's making: `CONVERGE` is keyed by the event's installation, `ANSWER` by the row of the event, `SIGN_OUT`
        by the row of each `LoggedOut`, of which each removed person of a `LicencesChanged` brings one.
        An installation's app and account are fixed by the first fact about it.
        """
        ...

    async def get_whole(self, number: str) -> Event:
        """An event by its row number, with its body; that is empty once it is erased. Raises KeyError."""
        ...

    async def replay(self, number: str, event: Event, facts: Sequence[Fact], tasks: Sequence[TaskKind]) -> Receipt:
        """As `receive`, for an event that is kept already, but not taken: what was read of its body now replaces what was read then.

        DUPLICATE, and nothing changes, where it is taken, or the same event came once more meanwhile and has a row of its own.
        """
        ...

    async def unanswered(self, installation: InstallationId) -> Sequence[tuple[str, EventKey]]:
        """Taken events that are owed an answer, oldest first: number of the row (key of `ANSWER`) and key."""
        ...

    async def get(self, number: str) -> tuple[EventKey, datetime | None]:
        """Key and `created_at` of an event by its row number. Raises KeyError."""
        ...

    async def mark_answered(self, number: str, answer: str) -> None:
        """Record what Talkdesk was told (`approve`, `reject`, `acknowledge`, `none owed`)."""
        ...
