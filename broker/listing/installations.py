"""Installations and accounts as operators see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from broker.listing.page import Page


@dataclass(frozen=True)
class InstallationFilter:
    """Which installations; None is any."""

    account: str | None = None
    app: str | None = None
    state: str | None = None
    only_suspect: bool = False
    """Talkdesk refuses their credentials."""


@dataclass(frozen=True)
class InstallationRow:
    """An installation, as its facts fold, with its newest identity provider."""

    installation: str
    app: str
    account: str
    account_name: str | None
    state: str
    """`active`, why it is closed (`uninstalled`, `suspended`, `trial expired`), or `only heard of`: no install or uninstall ever came."""
    changed_at: datetime | None
    """On Talkdesk's clock."""
    alias: str | None
    identity_provider: str | None
    """State of the identity provider."""
    credentials_kept: bool
    suspect_since: datetime | None
    """Since when Talkdesk refuses its credentials, as if its `app.uninstalled` had been lost."""


class InstallationList(Protocol):
    """Installations, by id."""

    async def page(self, wanted: InstallationFilter, size: int, start: str | None = None) -> Page[InstallationRow]:
        """At most `size` installations."""
        ...

    async def find(self, installation: str) -> InstallationRow | None:
        """By id."""
        ...


@dataclass(frozen=True)
class AccountRow:
    """A Talkdesk account of which an installation was heard."""

    account: str
    account_name: str | None
    """As its newest install names it."""
    installations: int
    active: int
    apps: Sequence[str]
    """Apps with an active installation."""
    user_id_source: str | None
    """Field of userinfo that names its users; None before the first sign-on."""


class AccountList(Protocol):
    """Accounts, by id."""

    async def page(self, size: int, start: str | None = None) -> Page[AccountRow]:
        """At most `size` accounts."""
        ...

    async def find(self, account: str) -> AccountRow | None:
        """By id."""
        ...
