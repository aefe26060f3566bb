"""Who may use an app, as far as `app.updated` has said so: folded for each person from what was said about them.

Nobody is listed as licensed when an app is installed, so everybody of the account is until they are removed. The newest word wins; at equal
times, and in one and the same event, the removal. What was said in a former life of the installation counts no more.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class LicenceWord:
    """One word about one person."""

    is_removed: bool
    created_at: datetime


def is_removed(words: Iterable[LicenceWord], began_after: datetime | None) -> bool:
    """Whether the person is shut out, in the life that began after then."""
    counting = [word for word in words if began_after is None or word.created_at > began_after]
    return bool(counting) and max((word.created_at, word.is_removed) for word in counting)[1]
