"""`GET /launch/return`: Keycloak says whose session this browser has (OpenID Connect Core 3.1.2.5–3.1.3.7, RFC 9207)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from broker.door import Door
from broker.errors import KeycloakError, SignOnFailed
from broker.launch.decide import Next, decide
from broker.launch.start import ToKeycloak
from broker.model.authorization import Launch
from broker.model.browser import LAST_COOKIE, Cookie
from broker.model.failure import Stage
from broker.model.installation import Installation
from broker.model.outcome import Outcome, Redirect
from broker.model.sign_on import SignOn, SignOnState
from broker.ports import Clock, Json, LaunchClient, OneTimeKind, RealmKeys, SignOns
from broker.states import Arrival, States
from broker.to_talkdesk import ToTalkdesk

SKEW = timedelta(seconds=10)
REMEMBERED_S = 30 * 24 * 3600

End = Callable[[SignOn], Awaitable[None]]
"""Ends Keycloak sessions. Raises KeycloakError."""


@dataclass(frozen=True)
class ReturnFromKeycloak:
    """Takes Keycloak's answer to a launch."""

    door: Door
    states: States
    sign_ons: SignOns
    keycloak: LaunchClient
    realm_keys: RealmKeys
    to_talkdesk: ToTalkdesk
    to_keycloak: ToKeycloak
    end_session: End
    end_person: End
    """All sessions of the person whose sign-on it is."""
    realm_issuer: str
    client_id: str
    now: Clock

    async def __call__(self, parameters: Sequence[tuple[str, str]], cookies: Mapping[str, str]) -> Outcome:
        """Where the browser goes next. Raises SignOnFailed."""
        arrival = await self.states.arrive(OneTimeKind.LAUNCH, Stage.RETURN, parameters, cookies)
        launch = Launch.from_json(arrival.content["launch"])
        installation = await self.door.enter(launch.installation, Stage.RETURN, launch.hint)
        session = await self._session(arrival, launch)
        match decide(launch, installation, session):
            case Next.OPEN_APP:
                return await self._open_app(installation, session, arrival, launch.hint)
            case Next.PROVE:
                return await self.to_talkdesk(installation, launch, Stage.RETURN, clear_cookie=arrival.cookie_name)
            case Next.END_AND_SIGN_ON:
                await self._end(session, launch)
                again = replace(launch, ended=launch.ended + 1)
                return await self.to_keycloak(again, installation, clear=arrival.cookie_name)

    async def _open_app(
        self, installation: Installation, session: SignOn, arrival: Arrival, hint: str | None
    ) -> Redirect:
        # The session may come from another app of the account, where this person still has a licence.
        await self.door.enter_person(installation, session.person, Stage.RETURN, hint)
        await self.sign_ons.advance(session.id, SignOnState.SEEN)
        # Only now: a link that somebody sent must not decide where this browser resumes.
        last = Cookie(LAST_COOKIE, quote(installation.id, safe=""), REMEMBERED_S)
        return Redirect(self.door.app(installation).url, set_cookies=(last,), clear_cookie=arrival.cookie_name)

    async def _end(self, session: SignOn, launch: Launch) -> None:
        """End the session; where it stays, all of that person's.

        Keycloak keeps the first `sid` of a session but the notes of the newest sign-on: after a re-authentication inside the session
        ours is not the one that ends it.
        """
        ends = (self.end_session, self.end_person)
        if launch.ended >= len(ends):
            raise _failed("session_stays", _SOMEBODY_ELSE, launch, status=502, detail="the session did not end")
        try:
            await ends[launch.ended](session)
        except KeycloakError as error:
            status = error.status
            raise _failed(
                "session_stays", _SOMEBODY_ELSE, launch, status=502, detail=str(error), upstream_status=status
            ) from None

    async def _session(self, arrival: Arrival, launch: Launch) -> SignOn:
        """The sign-on that Keycloak's session comes from."""
        if arrival.parameters.get("iss") != self.realm_issuer:
            raise _failed("issuer_wrong", _UNREADABLE, launch)
        if not arrival.parameters.get("code"):
            raise _failed("keycloak_refused", "The sign-on service did not let you in.", launch, status=403)
        claims = await self._id_token(arrival, launch)
        sign_on_id = claims.get("talkdesk_sign_on")
        session = await self.sign_ons.find(sign_on_id) if isinstance(sign_on_id, str) else None
        if session is None:
            raise _failed("session_not_ours", "You are signed in here with another account.", launch, status=409)
        return session

    async def _id_token(self, arrival: Arrival, launch: Launch) -> Json:
        try:
            token = await self.keycloak.exchange(arrival.parameters["code"], arrival.code_verifier)
            claims = await self.realm_keys.verify(token, self.now())
        except KeycloakError as error:
            sentence, status = "The sign-on service could not be reached.", error.status
            raise _failed(
                "keycloak_failed", sentence, launch, status=502, detail=str(error), upstream_status=status
            ) from None
        except ValueError as error:
            raise _bad_token(launch, str(error)) from None
        for holds, name in (
            (claims.get("iss") == self.realm_issuer, "iss"),
            (claims.get("aud") in (self.client_id, [self.client_id]), "aud"),
            (claims.get("azp", self.client_id) == self.client_id, "azp"),
            (claims.get("nonce") == arrival.nonce, "nonce"),
            (claims.get("typ", "ID") == "ID", "typ"),
            (self._is_future(claims.get("exp")), "exp"),
        ):
            if not holds:
                raise _bad_token(launch, f"its {name} is wrong")
        return claims

    def _is_future(self, exp: object) -> bool:
        return isinstance(exp, int) and datetime.fromtimestamp(exp, UTC) > self.now() - SKEW


_UNREADABLE = "The sign-on service sent an answer that can't be read."
_SOMEBODY_ELSE = "Somebody else is still signed in at this browser."


def _bad_token(launch: Launch, detail: str) -> SignOnFailed:
    return _failed("id_token_wrong", _UNREADABLE, launch, status=502, detail=f"Keycloak's ID token: {detail}")


def _failed(
    reason: str,
    public: str,
    launch: Launch,
    *,
    status: int = 400,
    detail: str = "",
    upstream_status: int | None = None,
) -> SignOnFailed:
    return SignOnFailed(
        Stage.RETURN,
        reason,
        public,
        status=status,
        detail=detail,
        installation=launch.installation,
        hint=launch.hint,
        upstream_status=upstream_status,
    )
