"""How much of a flood is kept: a link can fail as often as somebody calls it, and each record is there for 30 days.

Owns: the count, of this process. Every failure is a page, a log line and a metric, whatever is said here; references of those that are
not kept are in the log alone.
"""

from datetime import datetime, timedelta

from broker.errors import SignOnFailed
from broker.model.budget import Budget
from broker.model.failure import Reason
from broker.model.installation import Installation

AT_ONCE = 1000
"""So many of one installation, and of all that name none, are kept whenever they come; of a whole contact centre at a time when Talkdesk fails."""
ONE_MORE_EVERY = timedelta(seconds=2)

CROWDED_AT_ONCE = 20
"""Of those who are sent away because there are too many: to record them all would be work for nothing when there is most of it."""
CROWDED_EVERY = timedelta(seconds=1)


class WorthKeeping:
    """Says of each failure whether it is to be kept."""

    def __init__(self) -> None:
        """Nothing has failed yet. Grows with the installations that there are, not with what a link may name."""
        self._crowded = Budget(CROWDED_AT_ONCE, CROWDED_EVERY)
        self._of: dict[str | None, Budget] = {}

    def __call__(self, error: SignOnFailed, installation: Installation | None, now: datetime) -> bool:
        """One more failure; of this installation, where it is known."""
        if error.reason is Reason.CROWDED:
            return self._crowded.take(now)
        named = installation.id if installation else None
        return self._of.setdefault(named, Budget(AT_ONCE, ONE_MORE_EVERY)).take(now)
