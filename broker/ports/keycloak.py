"""Ports of Keycloak: its administration, its endpoints and its keys."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from broker.model.names import Alias
from broker.model.realm_setup import Change, FoundRealm, RealmSetup
from broker.model.realm_user import MatchRule, RealmUser
from broker.ports.basics import Json


class IdentityProviders(Protocol):
    """Identity providers of the realm, as Keycloak's JSON. All raise KeycloakError."""

    async def find(self, alias: Alias) -> Json | None:
        """The representation; None if there is none."""
        ...

    async def page(self, first: int, size: int) -> Sequence[Json]:
        """Whole representations, also of what is not ours, by alias: at most `size`, after the first so many.

        What is made or deleted meanwhile may shift the others: one may come twice, or not at all.
        """
        ...

    async def create(self, representation: Json) -> bool:
        """False where the alias is taken."""
        ...

    async def replace(self, representation: Json) -> None:
        """Replace all of it, as Keycloak's PUT does."""
        ...

    async def delete(self, alias: Alias) -> None:
        """Gone afterwards, also if it was gone before."""
        ...

    async def mappers(self, alias: Alias) -> Sequence[Json]:
        """Its mappers."""
        ...

    async def create_mapper(self, alias: Alias, mapper: Json) -> None:
        """Add one."""
        ...

    async def replace_mapper(self, alias: Alias, mapper: Json) -> None:
        """Replace one; `mapper` holds its `id`."""
        ...


class RealmUsers(Protocol):
    """Users of a realm that somebody else owns: never written. All raise KeycloakError."""

    async def linked(self, alias: Alias, sub: str) -> Sequence[RealmUser]:
        """Whom a sign-on of `sub` through this identity provider signs on: one, or nobody yet."""
        ...

    async def matching(self, rule: MatchRule, value: str) -> Sequence[RealmUser]:
        """Whom the rule names with this value, exactly; of many, at least two."""
        ...

    async def links(self, user_id: str) -> Mapping[Alias, str]:
        """Identity providers that sign this user on, with the `sub` there."""
        ...


class RealmAdministration(Protocol):
    """The realm itself, for who may administer it. All raise KeycloakError."""

    async def read(self, wanted: RealmSetup, *, looks_at_every_client: bool) -> FoundRealm:
        """What there is of what is wanted. `looks_at_every_client`: for flows of its own, too."""
        ...

    async def write(self, change: Change) -> None:
        """Make one change; what is not in it stays."""
        ...


class LogoutEndpoint(Protocol):
    """Keycloak's back-channel logout endpoint (OpenID Connect Back-Channel Logout 1.0)."""

    async def post(self, logout_token: str) -> int:
        """HTTP status of Keycloak's answer. Raises KeycloakError where none came."""
        ...


class RealmSessions(Protocol):
    """Sessions of a realm that somebody else owns."""

    async def end(self, session: str) -> int:
        """End it; HTTP status of Keycloak's answer, 404 where it is over. Raises KeycloakError."""
        ...


class RealmKeys(Protocol):
    """The realm's public keys: they sign Keycloak's client assertions and ID tokens."""

    async def verify(self, token: str, now: datetime) -> Json:
        """Claims of a token that the realm signed with RS256; lifetime and audience are the caller's to check. Raises ValueError, KeycloakError."""
        ...


class LaunchClient(Protocol):
    """Us as a relying party of the realm: client `talkdesk-launch`."""

    def authorization_url(
        self, *, alias: Alias, state: str, nonce: str, code_challenge: str, proof: str | None = None
    ) -> str:
        """Keycloak's authorization endpoint with the hint for this identity provider, to which `proof` is passed on."""
        ...

    async def exchange(self, code: str, code_verifier: str) -> str:
        """The ID token of a code. Raises KeycloakError."""
        ...
