"""Is the door open, and to this person? One answer for all: launch, authorization, callback and token ask the same.

A launch asks before Keycloak is asked: a closed identity provider would end on a page of Keycloak's. The issuer asks again, since
an app can send a browser to Keycloak with the hint by itself; the token endpoint is the last: what was let through before the door
closed gets no token after it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import urlencode, urlsplit

from broker.errors import SignOnFailed
from broker.model.failure import Reason, Stage
from broker.model.identity_provider import ProviderState
from broker.model.installation import Closure, Installation
from broker.model.names import MAX_ID_LENGTH, AccountId, Alias, AppId, InstallationId, Slug
from broker.model.sign_on import Person
from broker.ports import Installations, ProviderRecords


@dataclass(frozen=True)
class StartPage:
    """An app as a launch sees it."""

    name: str
    url: str
    """Where a launch ends, with the realm's `iss` in it (OpenID Connect Core 4)."""


@dataclass(frozen=True)
class Closed:
    """Why a door is closed."""

    reason: Reason
    status: int


MOST_OF_A_NAME = 64
"""What was named may be anything that somebody typed: enough of it to be recognised."""

_UNKNOWN = Closed(Reason.INSTALLATION_UNKNOWN, 404)
_CLOSED: Mapping[Closure, Closed] = MappingProxyType(
    {
        Closure.UNINSTALLED: Closed(Reason.INSTALLATION_INACTIVE, 403),
        Closure.SUSPENDED: Closed(Reason.INSTALLATION_SUSPENDED, 403),
        Closure.TRIAL_EXPIRED: Closed(Reason.TRIAL_EXPIRED, 403),
    }
)
_UNLICENSED = Closed(Reason.USER_REMOVED, 403)


@dataclass(frozen=True)
class Door:
    """What may be entered."""

    installations: Installations
    providers: ProviderRecords
    apps: Mapping[AppId, StartPage]
    listed_accounts: frozenset[AccountId] | None
    """None: any account."""

    async def enter(self, installation_id: str, stage: Stage, hint: str | None = None) -> Installation:
        """The installation, if it may be used now. Raises SignOnFailed."""
        if not 0 < len(installation_id) <= MAX_ID_LENGTH or not installation_id.isprintable():
            malformed = Closed(Reason.INSTALLATION_MALFORMED, 400)
            raise _failed(malformed, stage, installation_id[:MOST_OF_A_NAME], hint)
        installation = await self.installations.find(InstallationId(installation_id))
        return self._open(installation, stage, installation_id, hint)

    async def enter_issuer(self, slug: Slug) -> Installation:
        """The installation whose issuer this is, if it may be used now. Raises SignOnFailed."""
        return self._open(await self.installations.find_by_slug(slug), Stage.AUTHORIZE, slug, None)

    async def enter_person(
        self, installation: Installation, person: Person, stage: Stage, hint: str | None = None
    ) -> None:
        """Nothing, if Talkdesk has not taken this person's licence away. Raises SignOnFailed."""
        # Of the same account for certain: another one's user of this id would be somebody else.
        if person.account == installation.account and await self.installations.is_removed(installation, person.user):
            raise _failed(_UNLICENSED, stage, installation.id, hint)

    def why_closed(self, installation: Installation) -> Closed | None:
        """None if it may be used now."""
        if installation.app not in self.apps:
            return Closed(Reason.APP_UNKNOWN, 404)
        if installation.closure is not None:
            return _CLOSED[installation.closure]
        if installation.credentials is None:
            return _CLOSED[Closure.UNINSTALLED]
        if self.listed_accounts is not None and installation.account not in self.listed_accounts:
            return Closed(Reason.ACCOUNT_NOT_LISTED, 403)
        return None

    async def alias(self, installation: Installation) -> Alias | None:
        """Its identity provider; None while it is still being set up."""
        record = await self.providers.find_latest(installation.id)
        return record.alias if record and record.state is ProviderState.LIVE else None

    def app(self, installation: Installation) -> StartPage:
        """The app of an installation that may be entered."""
        return self.apps[installation.app]

    def _open(self, installation: Installation | None, stage: Stage, named: str, hint: str | None) -> Installation:
        closed = _UNKNOWN if installation is None else self.why_closed(installation)
        if installation is None or closed is not None:
            raise _failed(closed or _UNKNOWN, stage, installation.id if installation else named[:MOST_OF_A_NAME], hint)
        return installation


def _failed(closed: Closed, stage: Stage, named: str, hint: str | None) -> SignOnFailed:
    # What was named may be anything that somebody typed: enough of it to be recognised, and nothing that a database takes amiss.
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in named[:64])
    return SignOnFailed(stage, closed.reason, status=closed.status, installation=shown, hint=hint)


def with_issuer(start_url: str, issuer: str) -> str:
    """The start URL with `iss` (OpenID Connect Core 4), appended to a query that is there already."""
    separator = "&" if urlsplit(start_url).query else "?"
    return f"{start_url.rstrip('?')}{separator}{urlencode({'iss': issuer})}"
