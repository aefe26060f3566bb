"""What the imitated realm consists of: clients, identity providers, users, sessions, logins under way.

Owns data and questions that need nothing else; what happens to it is in the modules of the endpoints.
"""

import re
import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

Json = dict[str, Any]

REALM = "talkdesk"
LAUNCH_CLIENT = "talkdesk-launch"
BROKER_CLIENT = "talkdesk-broker"
FIRST_LOGIN_FLOW = "talkdesk first login"

SHARED_NOTES = (
    "talkdesk_account_id",
    "talkdesk_account_name",
    "talkdesk_user_id",
    "talkdesk_installation_id",
    "talkdesk_apps",
    "talkdesk_email",
)
"""Session notes that the client scope `talkdesk` gives to every app as claims."""


def _is_among(uri: str, registered: tuple[str, ...]) -> bool:
    return any(uri.startswith(each[:-1]) if each.endswith("*") else uri == each for each in registered)


@dataclass
class Client:
    """A client of the realm; without redirect URIs it has a service account instead of logins."""

    id: str
    secret: str
    redirect_uris: tuple[str, ...] = ()
    backchannel_logout_url: str | None = None
    notes: tuple[str, ...] | None = SHARED_NOTES
    """Session notes that become claims; None stands for every `talkdesk_…` and `identity_provider`."""
    roles: tuple[str, ...] = ()
    """Of `realm-management`."""
    post_logout_redirect_uris: tuple[str, ...] = ()
    """Where a logout may end; without any, where a login may."""

    def allows(self, uri: str) -> bool:
        """Whether the URI is registered; a trailing `*` stands for anything, as in Keycloak."""
        return _is_among(uri, self.redirect_uris)

    def allows_after_logout(self, uri: str) -> bool:
        """The same for the end of a logout."""
        return _is_among(uri, self.post_logout_redirect_uris or self.redirect_uris)

    def takes(self, note: str) -> bool:
        """Whether this session note is a claim for the client."""
        if self.notes is None:
            return note.startswith("talkdesk_") or note == "identity_provider"
        return note in self.notes


@dataclass
class Provider:
    """An identity provider with its mappers."""

    sent: Json
    """The representation as it was sent, its `config` without empty values."""
    internal_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    mappers: dict[str, Json] = field(default_factory=dict)

    @property
    def alias(self) -> str:
        alias: str = self.sent["alias"]
        return alias

    @property
    def config(self) -> dict[str, str]:
        config: dict[str, str] = self.sent["config"]
        return config

    @property
    def is_enabled(self) -> bool:
        return self.sent.get("enabled", True) is True

    @property
    def representation(self) -> Json:
        """What GET answers."""
        return {**self.sent, "internalId": self.internal_id, "types": ["USER_AUTHENTICATION"]}

    @property
    def brief(self) -> Json:
        """What the listing answers with `briefRepresentation`: ids, names and whether it is enabled."""
        whole = {"enabled": True, **self.representation}
        return {
            key: whole[key] for key in ("alias", "displayName", "internalId", "providerId", "enabled") if key in whole
        }


@dataclass(frozen=True)
class Identity:
    """What an identity provider vouched for."""

    sub: str
    sid: str | None
    claims: Json

    @property
    def username(self) -> str:
        """Keycloak lower-cases usernames."""
        return str(self.claims.get("preferred_username") or self.claims.get("email") or self.sub).lower()


@dataclass
class User:
    """A Keycloak user."""

    username: str
    email: str | None
    first_name: str = ""
    last_name: str = ""
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    links: dict[str, str] = field(default_factory=dict)
    """Alias of the identity provider to the `sub` there."""
    is_enabled: bool = True
    password: str | None = None
    attributes: dict[str, list[str]] = field(default_factory=dict)
    sign_ons: Counter[str] = field(default_factory=Counter)
    """How often through which alias."""

    @property
    def has_acceptable_names(self) -> bool:
        """Without the characters that Keycloak's user profile refuses in names."""
        return not re.search(r"[<>&\"$%!#?§;*~/\\|^=\[\]{}()]", self.first_name + self.last_name)


@dataclass
class Session:
    """An SSO session; `id` is the `sid` of Keycloak's tokens, `cookie` what the browser holds."""

    id: str
    cookie: str
    user: User
    alias: str
    """Identity provider of the first sign-on, empty where the realm's own password form made the session.

    With `upstream_sid` or `upstream_sub` what a logout token is matched with.
    """
    upstream_sid: str | None
    upstream_sub: str
    begun_at: datetime
    notes: dict[str, str] = field(default_factory=dict)
    """Of the newest sign-on (T7)."""
    clients: dict[str, Client] = field(default_factory=dict)
    """Apps that were entered in this session, by client id: who is told of its end."""


@dataclass
class Tab:
    """One authentication request under way."""

    client: Client
    redirect_uri: str
    state: str | None
    nonce: str | None
    scope: str
    code_challenge: str | None
    alias: str = ""
    upstream_state: str = ""
    upstream_nonce: str = ""
    code_verifier: str = ""
    identity: Identity | None = None
    is_first_login: bool = False
    extra: dict[str, str] = field(default_factory=dict)
    """All parameters of the request, for those that an identity provider has passed on."""

    def answer(self, parameters: dict[str, str]) -> str:
        """The client's redirect URI with these parameters and the state."""
        if self.state is not None:
            parameters = {"state": self.state, **parameters}
        return f"{self.redirect_uri}{'&' if '?' in self.redirect_uri else '?'}{urlencode(parameters)}"


@dataclass
class Root:
    """All logins under way in one browser; a session that comes of one has the same id."""

    id: str
    cookie: str
    tabs: dict[str, Tab] = field(default_factory=dict)


@dataclass(frozen=True)
class Code:
    """An authorization code that was issued to a client."""

    tab: Tab
    session_id: str
    acr: str
    issued_at: datetime
