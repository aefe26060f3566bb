"""One line of `broker check`: what was looked at, how it is, and what to do about it.

Leaves to others: the looking (`database`, `keycloak`, `talkdesk`, `here`), and how a line is printed (`cli.check`).
"""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """How it is."""

    OK = "ok"
    WARNING = "warning"
    """It works, but will not always, or could not be looked at."""
    WRONG = "wrong"
    """Something does not work."""


@dataclass(frozen=True)
class Finding:
    """What was found of one thing. Texts may hold what comes from outside."""

    check: str
    verdict: Verdict
    found: str
    mend: str | None = None
    """What to do; None where it is as it should be."""


def ok(check: str, found: str) -> Finding:
    """It is as it should be."""
    return Finding(check, Verdict.OK, found)


def warning(check: str, found: str, mend: str) -> Finding:
    """Somebody should look at it."""
    return Finding(check, Verdict.WARNING, found, mend)


def wrong(check: str, found: str, mend: str) -> Finding:
    """It has to be mended."""
    return Finding(check, Verdict.WRONG, found, mend)
