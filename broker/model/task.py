"""Tasks: work that follows from facts. Redoing one is harmless."""

from dataclasses import dataclass
from enum import StrEnum


class TaskKind(StrEnum):
    """Kinds of tasks; the key says of what."""

    CONVERGE = "converge"
    """Make Keycloak what the facts say. Key: installation id."""
    ANSWER = "answer"
    """Tell Talkdesk what is owed for an event. Key: number of the event's row."""
    SIGN_OUT = "sign out"
    """End the sign-ons that a `user.logout` or a removal ends. Key: number of the logout's row, `#` and the round (1, 2, 3)."""
    END_SIGN_ON = "end sign-on"
    """End what a code gave that came a second time. Key: id of the sign-on."""
    CHECK = "check"
    """Ask Talkdesk whether the installation's credentials still work, and again a day later. Key: installation id."""
    ALERT = "alert"
    """Tell the operator that the installation's sign-ons fail in a row. Key: installation id."""
    ALERT_UNDELIVERED = "alert undelivered"
    """Tell the operator that sign-outs did not reach an app. Key: slug of its relay."""
    ALERT_CONTESTED = "alert contested"
    """Tell the operator that somebody else writes fields that are ours. Key: installation id."""
    DELIVER = "deliver"
    """Deliver what an app has not confirmed of Keycloak's logout tokens. Key: slug of its relay."""


@dataclass(frozen=True)
class Task:
    """What is to be done; at most one row of a kind and key exists."""

    kind: TaskKind
    key: str


@dataclass(frozen=True)
class Claim:
    """A task that is leased to this worker, as it stood when it was claimed."""

    task: Task
    owner: str
    generation: int
    """Counts how often the task was asked for: asked for again meanwhile, it is due again instead of done."""
    attempts: int
    """How often it was tried before, since it was last asked for."""
    lease: int = 0
    """Counts the leases of this task: a former one changes nothing, also in the hands of the same worker."""
    request_id: str | None = None
    """Of the request that asked for it last, such as the delivery of an event; None where it was a command, or we ourselves."""


@dataclass(frozen=True)
class LastTry:
    """What the last try of a task ended with that comes again."""

    detail: str
    is_failure: bool
    """Otherwise it only waits for something."""
