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
from broker.model.failure import Stage
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

    reason: str
    sentence: str
    """For the person."""
    status: int


_UNKNOWN = Closed("installation_unknown", "This app is not set up for your Talkdesk account.", 404)
_CLOSED: Mapping[Closure, Closed] = MappingProxyType(
    {
        Closure.UNINSTALLED: Closed("installation_inactive", "This app was removed from your Talkdesk account.", 403),
        Closure.SUSPENDED: Closed("installation_suspended", "This app is suspended for your Talkdesk account.", 403),
        Closure.TRIAL_EXPIRED: Closed(
            "trial_expired", "The trial of this app has ended for your Talkdesk account.", 403
        ),
    }
)
_UNLICENSED = Closed(
    "user_removed",
    "You have no licence for this app in Talkdesk any more. Ask the administrator of your Talkdesk account.",
    403,
)


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
            malformed = Closed("installation_malformed", "The link to this app is not complete.", 400)
            raise _failed(malformed, stage, installation_id, hint)
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
            return Closed("app_unknown", "This app is not served here any more.", 404)
        if installation.closure is not None:
            return _CLOSED[installation.closure]
        if installation.credentials is None:
            return _CLOSED[Closure.UNINSTALLED]
        if self.listed_accounts is not None and installation.account not in self.listed_accounts:
            return Closed("account_not_listed", "Your Talkdesk account may not use this app.", 403)
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
            raise _failed(closed or _UNKNOWN, stage, named, hint)
        return installation


def _failed(closed: Closed, stage: Stage, named: str, hint: str | None) -> SignOnFailed:
    # What was named may be anything that somebody typed: enough of it to be recognised, and nothing that a database takes amiss.
    shown = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in named[:64])
    return SignOnFailed(stage, closed.reason, closed.sentence, status=closed.status, installation=shown, hint=hint)


def with_issuer(start_url: str, issuer: str) -> str:
    """The start URL with `iss` (OpenID Connect Core 4), appended to a query that is there already."""
    separator = "&" if urlsplit(start_url).query else "?"
    return f"{start_url.rstrip('?')}{separator}{urlencode({'iss': issuer})}"
