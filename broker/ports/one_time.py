"""Port of values that work once: states, codes, proofs."""

from datetime import datetime
from enum import StrEnum
from typing import Protocol

from broker.ports.basics import Json


class OneTimeKind(StrEnum):
    """Purposes of one-time values; a value is nothing for another purpose."""

    LAUNCH = "launch"
    """State of a launch, from `/launch` to `/launch/return`."""
    TALKDESK = "talkdesk"
    """State sent to Talkdesk, consumed at the callback."""
    CODE = "code"
    """Authorization code for Keycloak."""
    ASSERTION = "assertion"
    """`jti` of a client assertion that was taken."""
    PROOF = "proof"
    """A person proven in this browser, for the next `authorize`."""
    RELAY = "relay"
    """A logout token of Keycloak's that an app has not confirmed."""


class OneTimeValues(Protocol):
    """Values that work once; kept as a hash, with sealed content."""

    async def save(
        self, kind: OneTimeKind, value: str, content: Json, expires_at: datetime, *, holder: str | None = None
    ) -> bool:
        """Keep a value that was just made or seen; False where it is known already (then nothing changes)."""
        ...

    async def has_open(self, kind: OneTimeKind, holder: str, now: datetime) -> bool:
        """Whether any value of this holder is neither used nor expired."""
        ...

    async def find(self, kind: OneTimeKind, value: str, now: datetime) -> Json | None:
        """Its content while it is neither used nor expired; does not use it up."""
        ...

    async def recall(self, kind: OneTimeKind, value: str, now: datetime) -> Json | None:
        """Content of a value that was used and has not expired: to know what it was about, never to grant anything for it."""
        ...

    async def consume(self, kind: OneTimeKind, value: str, now: datetime) -> Json | None:
        """Its content, once; None where unknown, expired or used. Of several at the same instant one gets it."""
        ...

    async def delete_expired(self, now: datetime) -> int:
        """Forget what expired; how many."""
        ...
