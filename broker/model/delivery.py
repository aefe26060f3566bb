"""A logout token of Keycloak's on its way to an app: what an answer means, and when to try again (pure).

Follows OpenID Connect Back-Channel Logout 1.0, sections 2.5 and 2.8.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

FIRST_TRY = timedelta(seconds=2)
"""Most that Keycloak waits for the try in its own request: the next person at the same browser must not meet a session that is over."""
LATER_TRY = timedelta(seconds=5)
"""Most that a later try may take: as long as Keycloak itself waits for an app."""
LAST_TRY_BEFORE = timedelta(seconds=2)
"""The last try begins so long before the token expires, so that the app still finds it valid."""
_FIRST_DELAY_S = 0.5
_LONGEST_DELAY_S = 32.0

_CONFIRMING = (200, 204)
_PASSING = (408, 425, 429)


class DeliveryState(StrEnum):
    """What became of a logout token for an app."""

    OPEN = "open"
    """It is tried again until shortly before the token expires."""
    CONFIRMED = "confirmed"
    """The app answered 200 or 204."""
    REFUSED = "refused"
    """The app answered that it will not take it: a 4xx that no later try changes."""
    EXPIRED = "expired"
    """The token expired before the app confirmed."""


@dataclass(frozen=True)
class ReceivedToken:
    """A logout token that the relay has verified."""

    relay: str
    """Slug of the app's relay."""
    jti: str
    session: str | None
    """Keycloak's id of the session (`sid`); None where the client does not ask for it: then all of the person's are over."""
    subject: str | None
    """Keycloak's id of the user (`sub`)."""
    expires_at: datetime
    token: str = field(repr=False)


@dataclass(frozen=True)
class Delivery:
    """A logout token that an app has not confirmed yet."""

    number: int
    attempts: int
    """Tries that have ended, the one in Keycloak's request included."""
    expires_at: datetime
    answer: str | None
    """What the last try ended with."""
    token: str | None = field(repr=False)
    """None once it has expired."""


@dataclass(frozen=True)
class Undelivered:
    """Logout tokens that an app has not confirmed and never will, and that the operator was not told of yet."""

    untold: int
    latest: int
    """Number of the last one."""
    state: DeliveryState | None
    """Of that one; None where its record is gone."""
    answer: str | None
    alerted_at: datetime | None
    """When the operator was last told of some of this app."""


def judge(status: int) -> DeliveryState:
    """What an app's answer means. A redirect is not followed, and may be a balancer's whim, so it is tried again."""
    if status in _CONFIRMING:
        return DeliveryState.CONFIRMED
    if 400 <= status < 500 and status not in _PASSING:
        return DeliveryState.REFUSED
    return DeliveryState.OPEN


def next_try(attempts: int, now: datetime, expires_at: datetime) -> datetime | None:
    """When to try again after so many tries: 0.5, 1, 2, 4 … s later, and once more just before the token expires; None when it is too late."""
    last = expires_at - LAST_TRY_BEFORE
    delay_s = min(_FIRST_DELAY_S * 2.0 ** min(max(attempts - 1, 0), 30), _LONGEST_DELAY_S)
    return min(now + timedelta(seconds=delay_s), last) if now < last else None
