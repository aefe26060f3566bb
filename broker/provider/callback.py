"""Talkdesk's answer at the one redirect URL: who is it?

The browser waits here while the code is exchanged and userinfo is read, so that every failure ends on our page; only then Keycloak
hears anything. Who it is says userinfo, fetched with the access token that came straight from the token endpoint; an ID token, where one
comes, has to be of this very sign-on (`talkdesk_token`).
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from broker.door import Door
from broker.errors import NoAnswer, SignOnFailed, TalkdeskError
from broker.model.authorization import AuthorizationRequest, Launch, Proven, Trip
from broker.model.failure import Reason, Stage
from broker.model.installation import Installation
from broker.model.outcome import GoOn, Outcome
from broker.outbound import answered_within
from broker.ports import Accounts, Clock, Json, OneTimeKind, TalkdeskOAuth
from broker.provider.answer import AnswerKeycloak
from broker.provider.match import MatchUser
from broker.provider.person import UnknownPerson, resolve
from broker.provider.talkdesk_token import WrongToken, check_talkdesk_token
from broker.states import Arrival, States
from broker.to_talkdesk import ToTalkdesk

log = structlog.get_logger()

FIRST_TRIP = 0.55
"""Of the time that a person waits: what token endpoint and userinfo get on the first trip, so that there can be a second one."""
LEAST = 0.25
"""What is left for the second one at least, however long the first one took."""

ProvenLaunch = Callable[[Installation, Launch, Proven], Awaitable[Outcome]]
"""What a launch does with the person whom it asked for."""


@dataclass(frozen=True)
class Callback:
    """Takes Talkdesk's answer and hands the person to whoever asked."""

    door: Door
    states: States
    talkdesk: TalkdeskOAuth
    to_talkdesk: ToTalkdesk
    accounts: Accounts
    answer: AnswerKeycloak
    proven_launch: ProvenLaunch
    match_user: MatchUser | None
    """None where Keycloak users are made by sign-ons (mode own)."""
    now: Clock
    patience_s: float
    """How long a person waits for others' servers, both trips together."""
    monotonic: Callable[[], float] = time.monotonic

    async def __call__(self, parameters: Sequence[tuple[str, str]], cookies: Mapping[str, str]) -> Outcome:
        """Where the browser goes next. Raises SignOnFailed."""
        began = self.monotonic()
        arrival = await self.states.arrive(OneTimeKind.TALKDESK, Stage.CALLBACK, parameters, cookies)
        trip = Trip.from_json(arrival.content)
        with answered_within(max(self.patience_s - trip.waited_s, self.patience_s * LEAST)):
            return await self._arrived(arrival, trip, began)

    async def _arrived(self, arrival: Arrival, trip: Trip, began: float) -> Outcome:
        installation = await self.door.enter(trip.installation, Stage.CALLBACK)
        if "error" in arrival.parameters:
            raise _refused_by_talkdesk(arrival.parameters["error"], installation)
        try:
            proven = await self._prove(installation, arrival, trip)
        except NoAnswer as error:
            if trip.is_again:
                raise _talkdesk_failed(error, installation) from None
            log.warning(
                "Talkdesk did not answer; it is asked once more", installation=installation.id, error=str(error)
            )
            return await self._once_more(installation, arrival, trip, self.monotonic() - began)
        except TalkdeskError as error:
            raise _talkdesk_failed(error, installation) from None
        await self.door.enter_person(installation, proven.person, Stage.CALLBACK)
        if self.match_user:
            proven = replace(proven, realm_user=await self.match_user(installation, proven.person))
        if isinstance(trip.purpose, AuthorizationRequest):
            outcome: Outcome = await self.answer(installation, trip.purpose, proven)
        else:
            outcome = await self.proven_launch(installation, trip.purpose, proven)
        return replace(outcome, clear_cookie=outcome.clear_cookie or arrival.cookie_name)

    async def _once_more(self, installation: Installation, arrival: Arrival, trip: Trip, waited_s: float) -> GoOn:
        """The code may be spent, so it is not sent twice (RFC 6749, 4.1.2): another one is fetched, with no click.

        By a page, since the browser has followed many redirects already.
        """
        departure = await self.to_talkdesk(installation, trip.purpose, Stage.CALLBACK, waited_s=waited_s)
        name = self.door.app(installation).name
        return GoOn(departure.url, name, set_cookies=departure.set_cookies, clear_cookie=arrival.cookie_name)

    async def _prove(self, installation: Installation, arrival: Arrival, trip: Trip) -> Proven:
        code = arrival.parameters.get("code")
        if not code:
            raise _failed(Reason.CODE_MISSING, installation)
        # A code is good for the client that asked for it only, though other credentials may be in use by now.
        credentials = installation.credentials_of(trip.client_id)
        if credentials is None:
            raise _failed(Reason.CREDENTIALS_RETIRED, installation)
        asking = replace(installation, credentials=credentials)
        begun_at, userinfo = await self._ask(asking, code, arrival, trip)
        try:
            person = await resolve(installation.account, userinfo, self.accounts)
        except UnknownPerson as error:
            raise SignOnFailed(
                Stage.CALLBACK,
                Reason.PERSON_UNKNOWN,
                status=502,
                detail=str(error),
                installation=installation.id,
            ) from None
        return Proven(person, begun_at, trip.asked_at)

    async def _ask(self, installation: Installation, code: str, arrival: Arrival, trip: Trip) -> tuple[datetime, Json]:
        """When the trip began, on Talkdesk's clock, and who is there. Raises TalkdeskError, SignOnFailed."""
        with answered_within(self.patience_s * (1 if trip.is_again else FIRST_TRIP)):
            token = await self.talkdesk.exchange(installation, code=code, code_verifier=arrival.code_verifier)
            # When the browser was sent there, not now: whoever signed out on the way is not proven.
            begun_at = token.answered_at - (self.now() - trip.asked_at)
            userinfo = await self.talkdesk.userinfo(installation, token.access_token)
        if token.id_token is not None:
            try:
                check_talkdesk_token(
                    token.id_token, nonce=arrival.nonce, client_id=trip.client_id, subject=userinfo.get("sub")
                )
            except WrongToken as error:
                raise _talkdesk_failed(TalkdeskError(str(error)), installation) from None
        return begun_at, userinfo


def _talkdesk_failed(error: TalkdeskError, installation: Installation) -> SignOnFailed:
    return SignOnFailed(
        Stage.CALLBACK,
        Reason.TALKDESK_FAILED,
        status=502,
        detail=str(error),
        installation=installation.id,
        upstream_status=error.status,
    )


def _failed(reason: Reason, installation: Installation) -> SignOnFailed:
    return SignOnFailed(Stage.CALLBACK, reason, installation=installation.id)


def _refused_by_talkdesk(error: str, installation: Installation) -> SignOnFailed:
    # The code is Talkdesk's, from the URL: kept for the record if it looks like one, never shown.
    code = error if error.isascii() and error.replace("_", "").isalnum() and len(error) <= 40 else "malformed"
    return SignOnFailed(
        Stage.CALLBACK,
        Reason.TALKDESK_REFUSED,
        status=403,
        detail=f"Talkdesk answered with the error {code}",
        installation=installation.id,
    )
