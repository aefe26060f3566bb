"""What an operator did at the command line: on record, since it happens outside of what Talkdesk and Keycloak have on record."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Outcome(StrEnum):
    """How it ended."""

    BEGUN = "begun"
    """It goes on, or whoever did it was killed."""
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True)
class Act:
    """One command that changes something."""

    number: int
    at: datetime
    who: str
    """Who the operating system or `BROKER_OPERATOR` says it was: not proven, since whoever runs commands has the database anyway."""
    command: str
    about: str
    """What it was done to; no secret is in it."""
    outcome: Outcome
