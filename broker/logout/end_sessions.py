"""Ends Keycloak sessions by our own logout tokens (OpenID Connect Back-Channel Logout 1.0, 2.5).

One token by `sid` for each sign-on: Keycloak keeps the first `sid` of a session, so all of a person's have to be told.
A session that is not ours (mode existing) knows no `sid` of ours: it is ended by Keycloak's own id of it, where the operator allows that.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import MappingProxyType

import structlog

from broker.errors import KeycloakError, NotYet
from broker.issuer.identifier import Issuers
from broker.issuer.keys import SigningKeys
from broker.issuer.logout_token import TYPE, logout_token_claims
from broker.model.names import InstallationId, client_id_of, slug_of
from broker.model.sign_on import SignOn
from broker.observation import UNOBSERVED, Observer
from broker.ports import (
    Clock,
    IdentityProviders,
    Json,
    LogoutEndpoint,
    ProviderRecords,
    RealmSessions,
    SignOns,
)

log = structlog.get_logger()

AT_ONCE = 10
"""Logout tokens on their way at the same time; what was told is noted as often, so that a cut-off loses little."""
SETTLED = timedelta(minutes=2)
"""After this long a sign-on can't become a session any more."""
_WAIT = timedelta(seconds=0.5)


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
    lease: timedelta
    """How long Keycloak is waited for at most: whoever was killed meanwhile keeps others off that long, as with tasks."""
    foreign: RealmSessions | None = None
    """Ends sessions that are not ours; None where they are left alone."""
    observer: Observer = UNOBSERVED

    async def one(self, sign_on: SignOn) -> None:
        """End the session of one sign-on. Raises KeycloakError."""
        await self.all([sign_on], is_alone=True)

    async def person(self, sign_on: SignOn) -> None:
        """End all sessions of the person whose sign-on it is. Raises KeycloakError."""
        every = await self.sign_ons.of_person(sign_on.person.account, sign_on.person.user)
        # For the next launch in this browser: of the company's own sessions only a sign-out of the person's may end any.
        await self.all([each for each in every if each.foreign_session is None], is_alone=True)

    async def all(
        self,
        sign_ons: Sequence[SignOn],
        *,
        logout: int | None = None,
        ends_offline_access: bool = False,
        is_settled: Callable[[SignOn], bool] = lambda _: True,
        is_alone: bool = False,
    ) -> None:
        """End the sessions of these, and note that Keycloak was told of those that are settled.

        Their state is ENDED first, so that no code of theirs opens a session anew. Where Keycloak refuses some (their identity provider is
        disabled), the others are told all the same. Raises KeycloakError where it refused one, and at once where it does not answer.

        Told twice at the same instant Keycloak sends each app two tokens, or stumbles. So sign-ons that another sign-out tells it of just
        now are left to that one (Talkdesk sends a `user.logout` for each app), and NotYet is raised, unless the caller `is_alone`: a launch
        that has to know the session gone.
        """
        refusal: KeycloakError | None = None
        are_taken = True
        left_alone = [each for each in sign_ons if each.foreign_session is not None and self.foreign is None]
        for every in _batches([each for each in sign_ons if each.foreign_session is None or self.foreign]):
            taken = await self.sign_ons.take([sign_on.id for sign_on in every], logout, self.lease)
            batch = [sign_on for sign_on in every if is_alone or sign_on.id in taken]
            are_taken = are_taken and len(batch) == len(every)
            results = await asyncio.gather(
                *(self._end(sign_on, ends_offline_access=ends_offline_access) for sign_on in batch),
                return_exceptions=True,
            )
            await self._note(batch, results, is_settled)
            for result in results:
                if isinstance(result, KeycloakError):
                    refusal = refusal or result
                elif isinstance(result, BaseException):
                    raise result
            if refusal is not None and refusal.status is None:
                break
        if refusal is not None:
            raise refusal
        if not are_taken:
            raise NotYet(_WAIT, "another sign-out tells Keycloak of the same sessions")
        # Nobody will be told of these, which `problem_of` says.
        await self.sign_ons.end([sign_on.id for sign_on in left_alone], logout)
        await self.sign_ons.mark_told([sign_on.id for sign_on in left_alone])

    async def problem_of(self, logout: int) -> str | None:
        """What could not be done for the sign-ons that a logout ended, if anything; whichever run of its task found it out."""
        answers = await self.sign_ons.answers(logout)
        return "; ".join(problem for status, problem in _PROBLEMS.items() if status in answers) or None

    async def _note(
        self, batch: Sequence[SignOn], results: Sequence[int | BaseException], is_settled: Callable[[SignOn], bool]
    ) -> None:
        answers: dict[int | None, list[str]] = {}
        for sign_on, result in zip(batch, results, strict=True):
            status = result.status if isinstance(result, KeycloakError) else result
            answers.setdefault(status if isinstance(status, int) else None, []).append(sign_on.id)
        for status, ids in answers.items():
            await self.sign_ons.note_answer(ids, status)
        told = [
            each.id for each, result in zip(batch, results, strict=True) if isinstance(result, int) and is_settled(each)
        ]
        await self.sign_ons.mark_told(told)

    async def sweep(self, installation: InstallationId, sub: str, *, ends_offline_access: bool = False) -> str | None:
        """End what a lost record left of this person at one issuer; as `all`. Raises KeycloakError."""
        claims = self._claims(installation, sub=sub, ends_offline_access=ends_offline_access)
        return _PROBLEMS.get(await self._post(claims, installation))

    async def _end(self, sign_on: SignOn, *, ends_offline_access: bool) -> int:
        if self.foreign and sign_on.foreign_session is not None:
            return await self.foreign.end(sign_on.foreign_session)
        claims = self._claims(sign_on.installation, sid=sign_on.sid, ends_offline_access=ends_offline_access)
        return await self._post(claims, sign_on.installation)

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

    async def _post(self, claims: Json, installation: InstallationId) -> int:
        """Keycloak's answer, after which nothing is left to be done. Raises KeycloakError."""
        try:
            status = await self.keycloak.post(self.keys.sign(claims, TYPE))
        except KeycloakError as error:
            self.observer.logout_token_posted(error.status)
            raise
        self.observer.logout_token_posted(status)
        if status in (501, 504):
            # The session is gone all the same, but an app was not told; a repeat would tell nobody anything.
            log.warning("an app was not told of a sign-out", installation=installation, status=status)
        elif status != 200:
            await self._judge_refusal(status, installation)
        return status

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


_PROBLEMS: Mapping[int | None, str] = MappingProxyType(
    {
        400: "the identity provider is gone from Keycloak: its sessions died with it, and no app was told",
        501: "Keycloak told an app nothing: its client has front-channel logout",
        504: "Keycloak could not tell an app, or was not heard by it: its own log says which",
        None: "a session that Talkdesk did not begin may live on in Keycloak: END_FOREIGN_SESSIONS is off",
    }
)
"""What answers mean after which nothing is left to be done."""


def _batches(sign_ons: Sequence[SignOn]) -> Sequence[Sequence[SignOn]]:
    return [sign_ons[start : start + AT_ONCE] for start in range(0, len(sign_ons), AT_ONCE)]
