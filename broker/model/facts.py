"""Facts: what an event states, each with the time at which Talkdesk says it became so.

Facts are added, never changed. What follows from them is folded in `installation` and `licences`; their order of arrival means nothing.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

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
class Rotated:
    """`app.credentials_rotated`: one more set of credentials. It has no links: the token endpoint is the installation's."""

    installation: InstallationId
    app: AppId
    account: AccountId
    credentials: Credentials | None
    """None once erased."""
    created_at: datetime
    is_proven: bool = False
    """Whether Talkdesk gave a token for it: ours to find out, so no event says it."""


class TrialStep(StrEnum):
    """What became of a trial."""

    STARTED = "started"
    EXTENDED = "extended"
    EXPIRED = "expired"
    """`app.trial_ended` with `trial_expired`."""
    UPGRADED = "upgraded"
    """`app.trial_ended` with `plan_upgraded`."""
    ENDED = "ended"
    """For any other reason; `app_uninstalled` is one, and what closes the door then is the uninstall."""


@dataclass(frozen=True)
class TrialChanged:
    """`app.trial_started`, `app.trial_extended`, `app.trial_ended`."""

    installation: InstallationId
    app: AppId
    account: AccountId
    step: TrialStep
    expires_at: datetime
    created_at: datetime
    suspends: bool = False
    """It expired, and the app's policy was to suspend then. The policy is part of the fact: changed later, it closes no door in arrears."""


@dataclass(frozen=True)
class LicencesChanged:
    """`app.updated`: who may use the app from now on, and who may not any more."""

    installation: InstallationId
    app: AppId
    account: AccountId
    added: frozenset[TalkdeskUserId]
    removed: frozenset[TalkdeskUserId]
    created_at: datetime


@dataclass(frozen=True)
class LoggedOut:
    """`user.logout`: every sign-on of this Talkdesk user that began up to `created_at` is over."""

    installation: InstallationId
    account: AccountId
    user: TalkdeskUserId
    email: str | None
    created_at: datetime


Fact = Installed | Uninstalled | Rotated | TrialChanged | LicencesChanged | LoggedOut
InstallationFact = Installed | Uninstalled | Rotated | TrialChanged
"""What an installation is folded from."""
