"""The things that the stand-in knows: accounts, apps, installations, events, and what was sent and answered.

Plain data; `state.py` finds it, the endpoints change it.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

# "Both sets work for 7 days."
RETIRING = timedelta(days=7)


@dataclass(frozen=True)
class User:
    """Somebody who works with Talkdesk. `subject` is what `sub` says where it is not the id."""

    id: str
    name: str
    email: str

    @property
    def subject(self) -> str:
        return f"subject-{self.id[::-1]}"


@dataclass(frozen=True)
class Account:
    """A customer of Talkdesk; `slug` is its name in addresses."""

    id: str
    slug: str
    name: str
    users: tuple[User, ...]


@dataclass(frozen=True)
class App:
    """One app of the partner, as registered: three addresses, and no more."""

    id: str
    name: str
    events_url: str
    standalone_url: str
    redirect_url: str
    is_listed: bool = True
    version_id: str = "0b7de3ad4a5f4d6c9d1c2a3b4c5d6e7f"
    version_name: str = "1.0.0"


@dataclass(frozen=True, repr=False)
class Credentials:
    """What an installation authenticates with."""

    client_id: str
    client_secret: str
    key_id: str
    key_algorithm: str
    private_key: EllipticCurvePrivateKey | RSAPrivateKey


@dataclass
class CredentialSet:
    """Credentials and how long they live. Only a rotated set waits for an acknowledgement."""

    credentials: Credentials
    dead_from: datetime | None = None
    awaits_acknowledgement: bool = False

    def is_alive(self, now: datetime) -> bool:
        return self.dead_from is None or now < self.dead_from


class InstallationState(StrEnum):
    """Where an installation stands; `pending` until the app has answered."""

    PENDING = "pending"
    APPROVED = "approved"
    REJECTED = "rejected"
    UNINSTALLED = "uninstalled"


@dataclass
class Installation:
    """One app in one account. The newest credentials are the last."""

    id: str
    app: App
    account: Account
    credential_sets: list[CredentialSet]
    users: list[User]
    state: InstallationState = InstallationState.PENDING
    answers: list[str] = field(default_factory=list)  # every "approve" and "reject", in order
    deliveries: list["Delivery"] = field(default_factory=list)

    @property
    def current(self) -> CredentialSet:
        return self.credential_sets[-1]

    @property
    def is_installed(self) -> bool:
        return self.state is not InstallationState.UNINSTALLED


@dataclass(frozen=True)
class Event:
    """An event, ready to be signed. `body` holds secrets: it is in no repr and on no page."""

    id: str
    type: str
    app: App
    installation_id: str
    body: bytes = field(repr=False)


@dataclass(frozen=True)
class Attempt:
    """One POST of an event: an answer, or the reason why there was none."""

    at: datetime
    status: int | None
    error: str | None
    answer: str
    milliseconds: float


@dataclass
class Delivery:
    """Everything that was tried to deliver one event."""

    event: Event
    attempts: list[Attempt] = field(default_factory=list)
    is_given_up: bool = False
    wake: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    retries: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def status(self) -> int | None:
        """The last answer's."""
        return self.attempts[-1].status if self.attempts else None

    @property
    def is_accepted(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True)
class ApiCall:
    """One request to an endpoint of the protocol, and the answer. Without status: none was given."""

    at: datetime
    endpoint: str
    method: str
    path: str
    status: int | None
    detail: dict[str, str]


@dataclass(frozen=True)
class Session:
    """Who is signed in to Talkdesk in one browser; `sid` is Talkdesk's session id."""

    sid: str
    user: User
    account: Account


@dataclass
class Grant:
    """An authorization code and everything that it is bound to."""

    client_id: str
    redirect_url: str
    scope: frozenset[str]
    session: Session
    nonce: str | None
    challenge: str | None
    expires_at: datetime
    is_used: bool = False
    access_token: str | None = None


@dataclass(frozen=True)
class AccessToken:
    """What a bearer token stands for; without user it came from client credentials."""

    installation: Installation
    client_id: str
    scope: frozenset[str]
    user: User | None
    expires_at: datetime
