"""Is the door open? Asked before Keycloak is: a closed identity provider would show its password form."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from broker.errors import SignOnFailed
from broker.model.failure import Stage
from broker.model.identity_provider import ProviderState
from broker.model.installation import Installation
from broker.model.names import MAX_ID_LENGTH, AccountId, Alias, AppId, InstallationId
from broker.ports import Installations, ProviderRecords


@dataclass(frozen=True)
class StartPage:
    """An app as a launch sees it."""

    name: str
    url: str
    """Where a launch ends, with the realm's `iss` in it (OpenID Connect Core 4)."""


@dataclass(frozen=True)
class Door:
    """What a launch may enter."""

    installations: Installations
    providers: ProviderRecords
    apps: Mapping[AppId, StartPage]
    listed_accounts: frozenset[AccountId] | None
    """None: any account."""

    async def enter(self, installation_id: str, stage: Stage, hint: str | None = None) -> Installation:
        """The installation, if it may be used now. Raises SignOnFailed."""

        def closed(reason: str, public: str, status: int) -> SignOnFailed:
            return SignOnFailed(stage, reason, public, status=status, installation=installation_id[:64], hint=hint)

        if not 0 < len(installation_id) <= MAX_ID_LENGTH or not installation_id.isprintable():
            raise closed("installation_malformed", "The link to this app is not complete.", 400)
        installation = await self.installations.find(InstallationId(installation_id))
        if installation is None:
            raise closed("installation_unknown", "This app is not set up for your Talkdesk account.", 404)
        if installation.app not in self.apps:
            raise closed("app_unknown", "This app is not served here any more.", 404)
        if not installation.is_active or installation.credentials is None:
            raise closed("installation_inactive", "This app was removed from your Talkdesk account.", 403)
        if self.listed_accounts is not None and installation.account not in self.listed_accounts:
            raise closed("account_not_listed", "Your Talkdesk account may not use this app.", 403)
        return installation

    async def alias(self, installation: Installation) -> Alias | None:
        """Its identity provider; None while it is still being set up."""
        record = await self.providers.find_latest(installation.id)
        return record.alias if record and record.state is ProviderState.LIVE else None

    def app(self, installation: Installation) -> StartPage:
        """The app of an installation that may be entered."""
        return self.apps[installation.app]


def with_issuer(start_url: str, issuer: str) -> str:
    """The start URL with `iss` (OpenID Connect Core 4), appended to a query that is there already."""
    separator = "&" if urlsplit(start_url).query else "?"
    return f"{start_url.rstrip('?')}{separator}{urlencode({'iss': issuer})}"
