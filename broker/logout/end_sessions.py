"""Ends Keycloak sessions by our own logout tokens (OpenID Connect Back-Channel Logout 1.0, 2.5).

One token by `sid` for each sign-on: Keycloak keeps the first `sid` of a session, so all of a person's have to be told.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from broker.errors import KeycloakError
from broker.issuer.identifier import Issuers
from broker.issuer.keys import SigningKeys
from broker.issuer.logout_token import TYPE, logout_token_claims
from broker.model.names import InstallationId, client_id_of, slug_of
from broker.model.sign_on import SignOn
from broker.observation import UNOBSERVED, Observer
from broker.ports import Clock, IdentityProviders, Json, LogoutEndpoint, ProviderRecords, SignOns

log = structlog.get_logger()

AT_ONCE = 10
"""Logout tokens on their way at the same time; what was told is noted as often, so that a cut-off loses little."""


@dataclass(frozen=True)
class EndSessions:
    """Tells Keycloak."""

    sign_ons: SignOns
    keycloak: LogoutEndpoint
    providers: IdentityProviders
    records: ProviderRecords
    keys: SigningKeys
    issuers: Issuers
    now: Clock
    observer: Observer = UNOBSERVED

    async def one(self, sign_on: SignOn) -> None:
        """End the session of one sign-on. Raises KeycloakError."""
        await self.all([sign_on])

    async def person(self, sign_on: SignOn) -> None:
        """End all sessions of the person whose sign-on it is. Raises KeycloakError."""
        await self.all(await self.sign_ons.of_person(sign_on.person.account, sign_on.person.user))

    async def all(
        self,
        sign_ons: Sequence[SignOn],
        *,
        ends_offline_access: bool = False,
        is_settled: Callable[[SignOn], bool] = lambda _: True,
    ) -> None:
        """End the sessions of these, and note that Keycloak was told of those that are settled.

        Their state is ENDED first, so that no code of theirs opens a session anew. All of a batch are tried, also where some fail.
        Raises KeycloakError where one did.
        """
        for batch in _batches(sign_ons):
            await self.sign_ons.end([sign_on.id for sign_on in batch])
            results = await asyncio.gather(
                *(self._end(sign_on, ends_offline_access=ends_offline_access) for sign_on in batch),
                return_exceptions=True,
            )
            told = [each.id for each, result in zip(batch, results, strict=True) if result is None and is_settled(each)]
            await self.sign_ons.mark_told(told)
            for result in results:
                if result is not None:
                    raise result

    async def sweep(self, installation: InstallationId, sub: str) -> None:
        """End what a lost record left of this person at one issuer. Raises KeycloakError."""
        await self._post(self._claims(installation, sub=sub), installation)

    async def _end(self, sign_on: SignOn, *, ends_offline_access: bool) -> None:
        claims = self._claims(sign_on.installation, sid=sign_on.sid, ends_offline_access=ends_offline_access)
        await self._post(claims, sign_on.installation)

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
        try:
            status = await self.keycloak.post(self.keys.sign(claims, TYPE))
        except KeycloakError as error:
            self.observer.logout_token_posted(error.status)
            raise
        self.observer.logout_token_posted(status)
        if status == 200:
            return
        if status in (501, 504):
            # The session is gone all the same, but an app was not told; a repeat would tell nobody anything.
            log.warning("an app was not told of a sign-out", installation=installation, status=status)
            return
        await self._judge_refusal(status, installation)

    async def _judge_refusal(self, status: int, installation: InstallationId) -> None:
        """400 is an issuer that Keycloak does not know (its sessions died with it), but also a key that it could not fetch just now.

        500 is an identity provider that somebody disabled, among others: its sessions live on until it is enabled.
        """
        record = await self.records.find_latest(installation)
        provider = await self.providers.find(record.alias) if record else None
        if status == 400 and provider is None:
            log.info("the sessions went with their identity provider", installation=installation)
            return
        if record and provider and not provider.get("enabled"):
            raise KeycloakError(f"no sign-out reaches {record.alias} while it is disabled: enable it", status=status)
        raise KeycloakError("Keycloak did not take a logout token", status=status)


def _batches(sign_ons: Sequence[SignOn]) -> Sequence[Sequence[SignOn]]:
    return [sign_ons[start : start + AT_ONCE] for start in range(0, len(sign_ons), AT_ONCE)]
