"""Facts: what an event states, each with the time at which Talkdesk says it became so.

Facts are added, never changed. What follows from them is folded in `installation`; their order of arrival means nothing.
"""

from dataclasses import dataclass
from datetime import datetime

from broker.model.credentials import Credentials, Links
from broker.model.names import AccountId, AppId, InstallationId, TalkdeskUserId


@dataclass(frozen=True)
class Installed:
    """`app.installed`: the account has the app, with these credentials."""

    installation: InstallationId
    app: AppId
    account: AccountId
    account_name: str
    credentials: Credentials | None
    """None once erased: the installation is gone, the tombstone stays."""
    links: Links
    created_at: datetime


@dataclass(frozen=True)
class Uninstalled:
    """`app.uninstalled`: a tombstone; it stays for ever, so that a late `app.installed` opens nothing."""

    installation: InstallationId
    app: AppId
    account: AccountId
    created_at: datetime


@dataclass(frozen=True)
class LoggedOut:
    """`user.logout`: every sign-on of this Talkdesk user that began up to `created_at` is over."""

    installation: InstallationId
    account: AccountId
    user: TalkdeskUserId
    email: str | None
    created_at: datetime


Fact = Installed | Uninstalled | LoggedOut
InstallationFact = Installed | Uninstalled
