"""An installation: one app in one Talkdesk account, folded from its facts.

The newest of all `app.installed` and `app.uninstalled` wins, by Talkdesk's `created_at`. At equal times the uninstall wins:
a door that should be open is opened again by a person, one that should be closed is noticed by nobody.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from broker.model.credentials import Credentials, Links
from broker.model.facts import InstallationFact, Installed, Uninstalled
from broker.model.names import AccountId, AppId, InstallationId, Slug, slug_of


@dataclass(frozen=True)
class Installation:
    """State of one installation."""

    id: InstallationId
    app: AppId
    account: AccountId
    account_name: str
    credentials: Credentials | None
    links: Links | None
    """None where only an uninstall was heard of."""
    is_active: bool
    changed_at: datetime
    """On Talkdesk's clock: when it was installed if it is active, else when it was uninstalled."""

    @property
    def slug(self) -> Slug:
        """Its name in URLs and aliases."""
        return slug_of(self.id)


def fold(facts: Iterable[InstallationFact]) -> Installation | None:
    """State that follows from the facts of one installation, in whatever order they came; None without any."""
    newest_first = sorted(facts, key=_precedence, reverse=True)
    if not newest_first:
        return None
    newest = newest_first[0]
    installed = next((fact for fact in newest_first if isinstance(fact, Installed)), None)
    return Installation(
        id=newest.installation,
        app=newest.app,
        account=newest.account,
        account_name=installed.account_name if installed else "",
        credentials=installed.credentials if installed else None,
        links=installed.links if installed else None,
        is_active=isinstance(newest, Installed),
        changed_at=newest.created_at,
    )


def _precedence(fact: InstallationFact) -> tuple[datetime, bool, str]:
    # Two installs of one instant: any stated rule will do, as long as the order of arrival is no part of it.
    key = fact.credentials.key_id if isinstance(fact, Installed) and fact.credentials else ""
    return fact.created_at, isinstance(fact, Uninstalled), key
