"""An AppConnect event as it is kept."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from broker.model.names import AccountId, AppId, EventId, InstallationId


class EventState(StrEnum):
    """What became of an event."""

    TAKEN = "taken"
    """Its facts are stored, its tasks are due."""
    NOT_YET_HANDLED = "not yet handled"
    """Of a type that the version which took it did nothing with; this one handles them all, and can replay it."""
    UNKNOWN_TYPE = "unknown type"
    UNREADABLE = "unreadable"
    """Signed by Talkdesk, but not as the documentation says; kept for a later version."""


@dataclass(frozen=True)
class EventKey:
    """What makes two deliveries the same event."""

    event: EventId
    app: AppId
    type: str
    installation: InstallationId | None


@dataclass(frozen=True)
class Event:
    """One event, read as far as it could be."""

    key: EventKey
    account: AccountId | None
    created_at: datetime | None
    state: EventState
    body: bytes
    """The raw signed body; holds secrets, kept sealed."""

    def __repr__(self) -> str:
        """Without the body, which may hold a private key."""
        return f"Event({self.key.type!r}, {self.key.event!r}, {self.state.value!r})"
