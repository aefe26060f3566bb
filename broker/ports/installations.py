"""Ports of what is known of an installation and its account."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol

from broker.model.credentials import Credentials
from broker.model.identity_provider import ProviderRecord
from broker.model.installation import Installation
from broker.model.names import AccountId, Alias, AppId, InstallationId, Slug, TalkdeskUserId


class Installations(Protocol):
    """Installations, as their facts fold."""

    async def find(self, installation: InstallationId) -> Installation | None:
        """The installation; None if nothing was heard of it."""
        ...

    async def find_by_slug(self, slug: Slug) -> Installation | None:
        """The installation of this name in URLs."""
        ...

    async def active_apps(self, account: AccountId) -> Sequence[AppId]:
        """Apps that have an active installation in the account, sorted, each once."""
        ...

    async def erase_credentials(self, installation: InstallationId, up_to: datetime) -> None:
        """Forget the credentials of all installs and rotations created up to then, and the bodies of events that held them."""
        ...

    async def mark_proven(self, installation: InstallationId, credentials: Credentials, at: datetime) -> None:
        """Talkdesk gave a token for this rotated set: from now on it may be in use."""
        ...

    async def retire_credentials(self, installation: InstallationId, retired: Collection[Credentials]) -> None:
        """Forget these sets, and the bodies of events that held them."""
        ...

    async def is_removed(self, installation: Installation, user: TalkdeskUserId) -> bool:
        """Whether the person's licence for it was removed, and not given again."""
        ...

    async def suspend(self, installation: InstallationId, at: datetime) -> bool:
        """The operator closes it, and a converge is asked for; False where it is unknown. Said twice, the first time counts."""
        ...

    async def resume(self, installation: InstallationId, at: datetime) -> bool:
        """The operator opens it, also after a trial that expired before then, and a converge is asked for; False where it is unknown."""
        ...

    async def mark_suspect(self, installation: InstallationId, since: datetime) -> None:
        """Talkdesk refuses its credentials; said again, the first time counts."""
        ...

    async def clear_suspect(self, installation: InstallationId) -> None:
        """They work, or nobody needs them any more."""
        ...


class ProviderRecords(Protocol):
    """Which aliases were used for which installation."""

    async def find_latest(self, installation: InstallationId) -> ProviderRecord | None:
        """The newest generation, in whatever state."""
        ...

    async def reserve(self, installation: InstallationId) -> ProviderRecord:
        """The newest generation if it is reserved or live, else the next one, reserved."""
        ...

    async def mark_live(self, alias: Alias) -> None:
        """It was seen complete in the realm."""
        ...

    async def mark_withdrawn(self, alias: Alias) -> None:
        """It is gone for good."""
        ...

    async def used(self, installation: InstallationId) -> Sequence[ProviderRecord]:
        """All generations that were ever live, oldest first."""
        ...

    async def live_of_account(self, account: AccountId) -> Sequence[ProviderRecord]:
        """The live ones of all installations of the account, by alias: one for each of its apps."""
        ...


class Accounts(Protocol):
    """What is remembered of a Talkdesk account."""

    async def user_id_source(self, account: AccountId, offered: str) -> str:
        """Which field of userinfo names this account's users: `offered` where none was chosen before, else the one chosen first."""
        ...
