"""A sign-on: one completed authentication of a Talkdesk user that we vouched for."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from broker.model.names import AccountId, Alias, InstallationId, TalkdeskUserId


class SignOnState(StrEnum):
    """How far a sign-on came."""

    CODE_ISSUED = "code issued"
    """Talkdesk said who it is, and Keycloak may come for the ID token."""
    REDEEMED = "redeemed"
    """Keycloak has the ID token."""
    SEEN = "seen"
    """Came back to `/launch/return`."""
    ENDED = "ended"
    """Signed out, or replaced; its code and its tokens are worth nothing."""


@dataclass(frozen=True)
class Person:
    """Who Talkdesk says it is, through one installation. (account, user) identifies; the rest describes."""

    account: AccountId
    user: TalkdeskUserId
    name: str | None
    email: str | None


@dataclass(frozen=True)
class SignOn:
    """One sign-on."""

    id: str
    sid: str
    """Session id that we give to Keycloak and that ends the session again."""
    installation: InstallationId
    person: Person
    sub: str
    begun_at: datetime
    """On Talkdesk's clock, when Talkdesk was asked: compares with a `user.logout`."""
    asked_at: datetime
    """The same on our clock: when the browser was sent to Talkdesk."""
    created_at: datetime
    """On our clock: when the code was issued."""
    state: SignOnState
    alias: Alias
    """Identity provider that it went to."""
    foreign_session: str | None = None
    """Keycloak's id of a session that is not ours: the person was proven, and let in, but nobody signed on through us."""
