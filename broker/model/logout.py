"""A logout: who was to be signed out, why, and how far it came."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from broker.model.names import AccountId, InstallationId, TalkdeskUserId


class LogoutCause(StrEnum):
    """Why somebody is signed out."""

    USER_LOGOUT = "user.logout"
    """Talkdesk said so."""
    REMOVED = "licence removed"
    """The licence for an app of the account went (`app.updated`)."""
    OPERATOR = "operator"
    """`broker sign-ons end`."""
    CLOSED = "installation closed"
    """The installation was uninstalled or suspended: everybody of the account."""


@dataclass(frozen=True)
class Logout:
    """One sign-out of a person, or of everybody of an account."""

    cause: LogoutCause
    subject: str
    """Names it within its cause, so that a task that runs again goes on with the same record."""
    event: int | None
    """Row of the event; None where it follows from no single one."""
    account: AccountId
    user: TalkdeskUserId | None
    """None: everybody."""
    installation: InstallationId


@dataclass(frozen=True)
class Completed:
    """A logout that every session and every app has heard of."""

    asked_at: datetime
    """When the event was received, or the operator asked."""
    confirmed_at: datetime | None
    """When the last app confirmed; None where no relay was told anything."""
