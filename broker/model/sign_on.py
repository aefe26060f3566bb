"""A sign-on: one completed authentication of a Talkdesk user that we vouched for."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from broker.model.names import AccountId, Alias, InstallationId, TalkdeskUserId


class SignOnState(StrEnum):
    """How far a sign-on came."""

    PROVEN = "proven"
    """Talkdesk said who it is; Keycloak does not know yet."""
    CODE_ISSUED = "code issued"
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
    """On Talkdesk's clock, so that it compares with a `user.logout`."""
    created_at: datetime
    """On ours."""
    state: SignOnState
    alias: Alias | None
    """Identity provider that it went to; None until a code was issued."""
