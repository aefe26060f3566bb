"""What stopped a person, so that support can act before the customer asks."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Stage(StrEnum):
    """Where a launch or sign-on stopped."""

    LAUNCH = "launch"
    AUTHORIZE = "authorize"
    CALLBACK = "callback"
    RETURN = "return"


@dataclass(frozen=True)
class Failure:
    """One record of a failed sign-on; holds no secret and no token."""

    reference: str
    at: datetime
    stage: Stage
    reason: str
    """Stable code, for programs and for support."""
    detail: str
    """For the log and the operator; never shown on the page."""
    installation: str | None
    hint: str | None
    """`talkdesk_user_id` of the launch: who was expected, not who it was."""
    upstream_status: int | None
