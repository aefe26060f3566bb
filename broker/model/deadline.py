"""How long Talkdesk waits for an answer that it is owed ("What the app owes" in docs/talkdesk.md), and when somebody has to be called."""

from datetime import datetime, timedelta
from enum import Enum, auto

ANSWER_WITHIN = timedelta(days=7)
"""From the event's `created_at`."""
ALARM_BEFORE = timedelta(days=1)


class Urgency(Enum):
    """Where an answer that is owed stands."""

    CALM = auto()
    ALARMING = auto()
    """Within a day Talkdesk gives up: a person has to look."""
    OVER = auto()
    """Talkdesk does not wait any more."""


def urgency_of(created_at: datetime, now: datetime) -> Urgency:
    """Of the answer to an event of then."""
    left = created_at + ANSWER_WITHIN - now
    if left <= timedelta():
        return Urgency.OVER
    return Urgency.ALARMING if left <= ALARM_BEFORE else Urgency.CALM
