"""`GET /launch/return`: Keycloak says whose session this browser has (OpenID Connect Core 3.1.2.5–3.1.3.7, RFC 9207)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from broker.door import Door
from broker.errors import KeycloakError, SignOnFailed
from broker.launch.decide import Next, Session, decide
from broker.launch.foreign import ForeignSessions
from broker.launch.start import SETTING_UP_AGAIN_S, ToKeycloak
from broker.model.authorization import Launch
from broker.model.browser import LAST_COOKIE, Cookie
from broker.model.failure import Reason, Stage
from broker.model.installation import Installation
from broker.model.names import TalkdeskUserId
from broker.model.outcome import GoOn, Outcome, Redirect
from broker.model.sign_on import Person, SignOn, SignOnState
from broker.model.task import Task, TaskKind
from broker.ports import Clock, Failures, Json, LaunchClient, OneTimeKind, RealmKeys, SignOns
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
    foreign_sessions: ForeignSessions
    failures: Failures
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
        if session.sign_on is None and (noteless := await self._noteless(installation, launch)):
            await self.to_keycloak.ask_for(Task(TaskKind.CONVERGE, installation.id))
            if launch.proven is not None:
                # Certainly this person's, and of no use to any app: ended, and made again once the mapper is back.
                going = await self._again(noteless, installation, arrival, launch)
                return replace(going, after_s=SETTING_UP_AGAIN_S, is_setting_up=True)
        match decide(launch, installation, session), session.sign_on:
            case Next.OPEN_APP, _:
                return await self._open_app(installation, session, arrival, launch)
            case Next.END_AND_SIGN_ON, SignOn() as sign_on:
                return await self._again(sign_on, installation, arrival, launch)
            case Next.PROVE, _:
                return await self.to_talkdesk(installation, launch, Stage.RETURN, clear_cookie=arrival.cookie_name)
        raise _failed(Reason.SESSION_NOT_OURS, launch, status=409)

    async def _open_app(
        self, installation: Installation, session: Session, arrival: Arrival, launch: Launch
    ) -> Redirect:
        # The session may come from another app of the account, where this person still has a licence.
        person = session.sign_on.person if session.sign_on else _proven_person(installation, launch)
        await self.door.enter_person(installation, person, Stage.RETURN, launch.hint)
        if session.sign_on:
            await self.sign_ons.advance(session.sign_on.id, SignOnState.SEEN)
        elif session.id:
            await self.foreign_sessions.note(installation, launch, person, session.id)
        await self.failures.launch_arrived(installation.id)
        # Only now: a link that somebody sent must not decide where this browser resumes.
        last = Cookie(LAST_COOKIE, quote(installation.id, safe=""), REMEMBERED_S)
        return Redirect(self.door.app(installation).url, set_cookies=(last,), clear_cookie=arrival.cookie_name)

    async def _noteless(self, installation: Installation, launch: Launch) -> SignOn | None:
        """A sign-on of this person that Keycloak took since the launch began, though its session has none of our notes.

        Then somebody has changed or deleted our mapper, at which no reconcile looks by itself. A hint proves nothing, but is enough to look.
        """
        user = launch.proven or launch.hint
        known = await self.sign_ons.of_person(installation.account, user) if user else ()
        return next(
            (
                each
                for each in known
                if each.state is SignOnState.REDEEMED
                and each.installation == installation.id
                and each.asked_at >= launch.began_at
            ),
            None,
        )

    async def _again(self, session: SignOn, installation: Installation, arrival: Arrival, launch: Launch) -> GoOn:
        await self._end(session, launch)
        again = replace(launch, ended=launch.ended + 1)
        return await self.to_keycloak(again, installation, clear=arrival.cookie_name)

    async def _end(self, session: SignOn, launch: Launch) -> None:
        """End the session; where it stays, all of that person's.

        Keycloak keeps the first `sid` of a session but the notes of the newest sign-on: after a re-authentication inside the session
        ours is not the one that ends it.
        """
        ends = (self.end_session, self.end_person)
        if launch.ended >= len(ends):
            raise _failed(Reason.SESSION_STAYS, launch, status=502, detail="the session did not end")
        try:
            await ends[launch.ended](session)
        except KeycloakError as error:
            status = error.status
            raise _failed(Reason.SESSION_STAYS, launch, status=502, detail=str(error), upstream_status=status) from None

    async def _session(self, arrival: Arrival, launch: Launch) -> Session:
        """The session that Keycloak has, and the sign-on that it comes from."""
        if arrival.parameters.get("iss") != self.realm_issuer:
            raise _failed(Reason.ISSUER_WRONG, launch)
        if not arrival.parameters.get("code"):
            raise _failed(Reason.KEYCLOAK_REFUSED, launch, status=403)
        claims = await self._id_token(arrival, launch)
        sign_on_id = claims.get("talkdesk_sign_on")
        sign_on = await self.sign_ons.find(sign_on_id) if isinstance(sign_on_id, str) else None
        session_id = claims.get("sid")
        return Session(claims["sub"], sign_on, session_id if isinstance(session_id, str) else None)

    async def _id_token(self, arrival: Arrival, launch: Launch) -> Json:
        try:
            token = await self.keycloak.exchange(arrival.parameters["code"], arrival.code_verifier)
            claims = await self.realm_keys.verify(token, self.now())
        except KeycloakError as error:
            status = error.status
            raise _failed(
                Reason.KEYCLOAK_FAILED, launch, status=502, detail=str(error), upstream_status=status
            ) from None
        except ValueError as error:
            raise _bad_token(launch, str(error)) from None
        for holds, name in (
            (claims.get("iss") == self.realm_issuer, "iss"),
            (claims.get("aud") in (self.client_id, [self.client_id]), "aud"),
            (claims.get("azp", self.client_id) == self.client_id, "azp"),
            (claims.get("nonce") == arrival.nonce, "nonce"),
            (isinstance(claims.get("sub"), str), "sub"),
            (claims.get("typ", "ID") == "ID", "typ"),
            (self._is_future(claims.get("exp")), "exp"),
        ):
            if not holds:
                raise _bad_token(launch, f"its {name} is wrong")
        return claims

    def _is_future(self, exp: object) -> bool:
        return isinstance(exp, int) and datetime.fromtimestamp(exp, UTC) > self.now() - SKEW


def _proven_person(installation: Installation, launch: Launch) -> Person:
    """Whom Talkdesk named for this launch, in a session that is not ours."""
    return Person(installation.account, launch.proven or TalkdeskUserId(""), None, None)


def _bad_token(launch: Launch, detail: str) -> SignOnFailed:
    return _failed(Reason.ID_TOKEN_WRONG, launch, status=502, detail=f"Keycloak's ID token: {detail}")


def _failed(
    reason: Reason,
    launch: Launch,
    *,
    status: int = 400,
    detail: str = "",
    upstream_status: int | None = None,
) -> SignOnFailed:
    return SignOnFailed(
        Stage.RETURN,
        reason,
        status=status,
        detail=detail,
        installation=launch.installation,
        hint=launch.hint,
        upstream_status=upstream_status,
    )
