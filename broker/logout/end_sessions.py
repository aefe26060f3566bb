"""Ends Keycloak sessions by our own logout tokens (OpenID Connect Back-Channel Logout 1.0, 2.5).

One token by `sid` for each sign-on: Keycloak keeps the first `sid` of a session, so all of a person's have to be told.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from broker.errors import KeycloakError
from broker.issuer.identifier import Issuers
from broker.issuer.keys import SigningKeys
from broker.issuer.logout_token import TYPE, logout_token_claims
from broker.model.names import InstallationId, client_id_of, slug_of
from broker.model.sign_on import SignOn
from broker.ports import Clock, Json, LogoutEndpoint, SignOns

log = structlog.get_logger()

AT_ONCE = 10
"""Logout tokens on their way at the same time."""


@dataclass(frozen=True)
class EndSessions:
    """Tells Keycloak."""

    sign_ons: SignOns
    keycloak: LogoutEndpoint
    keys: SigningKeys
    issuers: Issuers
    now: Clock

    async def one(self, sign_on: SignOn) -> None:
        """End the session of one sign-on. Raises KeycloakError."""
        await self.all([sign_on])
        await self.sign_ons.mark_told([sign_on.id])

    async def all(self, sign_ons: Sequence[SignOn], *, ends_offline_access: bool = False) -> None:
        """End the sessions of these, side by side; theirs is the state ENDED first, so that no code of theirs opens one anew.

        All are tried, also where some fail. Raises KeycloakError where one did.
        """
        await self.sign_ons.end([sign_on.id for sign_on in sign_ons])
        places = asyncio.Semaphore(AT_ONCE)

        async def tell(sign_on: SignOn) -> None:
            async with places:
                claims = self._claims(sign_on.installation, sid=sign_on.sid, ends_offline_access=ends_offline_access)
                await self._post(claims, sign_on.installation)

        _raise_first(await asyncio.gather(*(tell(sign_on) for sign_on in sign_ons), return_exceptions=True))

    async def sweep(self, installation: InstallationId, sub: str) -> None:
        """End what a lost record left of this person at one issuer. Raises KeycloakError."""
        await self._post(self._claims(installation, sub=sub), installation)

    def _claims(
        self,
        installation: InstallationId,
        *,
        sid: str | None = None,
        sub: str | None = None,
        ends_offline_access: bool = False,
    ) -> Json:
        slug = slug_of(installation)
        return logout_token_claims(
            issuer=self.issuers.identifier(slug),
            client_id=client_id_of(slug),
            now=self.now(),
            sid=sid,
            sub=sub,
            ends_offline_access=ends_offline_access,
        )

    async def _post(self, claims: Json, installation: InstallationId) -> None:
        status = await self.keycloak.post(self.keys.sign(claims, TYPE))
        _judge(status, installation)


def _judge(status: int, installation: InstallationId) -> None:
    """What Keycloak's answer means; seen on 26.4 and 26.7."""
    if status == 200:
        return
    if status in (501, 504):
        # The session is gone all the same, but an app was not told; a repeat would tell nobody anything.
        log.warning("an app was not told of a sign-out", installation=installation, status=status)
        return
    if status == 400:
        # The identity provider is gone, and with it its sessions: they died with it.
        log.warning("Keycloak knows no such issuer any more", installation=installation)
        return
    raise KeycloakError("Keycloak did not take a logout token", status=status)


def _raise_first(results: Sequence[BaseException | None]) -> None:
    for result in results:
        if result is not None:
            raise result
