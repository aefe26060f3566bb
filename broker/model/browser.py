"""What the browser holds for us: one `__Host-` cookie for each state, so that tabs don't overwrite each other.

A state in a URL proves nothing about the browser that brings it (RFC 9700, 4.7); its cookie does. The database has only a hash of it.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

PROOF_COOKIE = "__Host-tdp"
"""Cookie of a person who was just proven at this browser, for the next authorization request."""

PROOF = "talkdesk_proof"
"""Parameter that goes with a launch's request through Keycloak to `authorize`: ties a proof to that launch."""

LAST_COOKIE = "__Host-tdl"
"""Cookie with the installation that this browser launched last. It proves nothing: a launch asks Talkdesk who is there."""

ROUNDS_COOKIE = "__Host-tdr"
"""Cookie that counts how often this browser was sent to resume in the last moments."""

_PREFIX = "__Host-tdb-"
_CAP = 12
"""Most of our cookies in one browser: a page full of frames must not fill its header."""


@dataclass(frozen=True)
class Cookie:
    """A cookie of this browser, host-only, `Secure`, `HttpOnly`, `SameSite=Lax`."""

    name: str
    value: str
    max_age_s: int = 600
    """How long the browser keeps it; a state lives for ten minutes."""

    def __repr__(self) -> str:
        """Without the value."""
        return f"Cookie({self.name!r})"


@dataclass(frozen=True)
class Binding:
    """What the database keeps about the cookie."""

    name: str
    digest: str

    def matches(self, cookies: Mapping[str, str]) -> bool:
        """Whether these cookies come from the browser that was bound."""
        return hmac.compare_digest(_digest(cookies.get(self.name, "")), self.digest)


def bind(now: datetime) -> tuple[Cookie, Binding]:
    """A new cookie and what is kept of it. The name starts with the time, so that the oldest can be told."""
    name = f"{_PREFIX}{int(now.timestamp()):010x}-{secrets.token_hex(6)}"
    value = secrets.token_urlsafe(24)
    return Cookie(name, value), Binding(name, _digest(value))


def proof_key(installation: str, proof: str, cookie: str) -> str:
    """Under which a proof is kept: its installation, the launch whose request carries `proof`, and this browser."""
    return f"{installation} {proof} {cookie}"


def surplus(cookies: Mapping[str, str]) -> Sequence[str]:
    """Names of our oldest cookies that have to go so that one more fits."""
    ours = sorted(name for name in cookies if name.startswith(_PREFIX))
    return ours[: max(0, len(ours) - _CAP + 1)]


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()
