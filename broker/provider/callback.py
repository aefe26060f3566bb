"""Talkdesk's answer at the one redirect URL: who is it?

The browser waits here while the code is exchanged and userinfo is read, so that every failure ends on our page; only then Keycloak
hears anything. A Talkdesk ID token, where one comes, is not needed: userinfo was fetched with the access token that came straight
from the token endpoint (OpenID Connect Core 3.1.3.7, 6).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from broker.errors import SignOnFailed, TalkdeskError
from broker.model.authorization import AuthorizationRequest, Proven, Proving, TalkdeskState
from broker.model.failure import Stage
from broker.model.installation import Installation
from broker.model.outcome import Outcome
from broker.ports import Accounts, Clock, Installations, OneTimeKind, OneTimeValues, TalkdeskOAuth
from broker.provider.answer import AnswerKeycloak
from broker.provider.person import UnknownPerson, resolve

ProvenLaunch = Callable[[Installation, Proving, Proven], Awaitable[Outcome]]
"""What a launch does with the person whom it asked for."""

_LONGEST = 4000


@dataclass(frozen=True)
class Callback:
    """Takes Talkdesk's answer and hands the person to whoever asked."""

    installations: Installations
    one_time: OneTimeValues
    talkdesk: TalkdeskOAuth
    accounts: Accounts
    answer: AnswerKeycloak
    proven_launch: ProvenLaunch
    now: Clock

    async def __call__(self, parameters: Sequence[tuple[str, str]], cookies: Mapping[str, str]) -> Outcome:
        """Where the browser goes next. Raises SignOnFailed."""
        given = dict(parameters)
        if len(given) != len(parameters) or any(len(value) > _LONGEST for value in given.values()):
            raise _failed("callback_malformed", "Talkdesk sent an answer that can't be read.")
        kept = await self._consume(given.get("state", ""), cookies)
        installation = await self._installation(kept)
        if "error" in given:
            raise _refused_by_talkdesk(given["error"], installation)
        if not given.get("code"):
            raise _failed("code_missing", "Talkdesk sent an answer that can't be read.", installation)
        proven = await self._prove(installation, given["code"], kept.code_verifier)
        if isinstance(kept.purpose, AuthorizationRequest):
            outcome: Outcome = await self.answer(installation, kept.purpose, proven)
        else:
            outcome = await self.proven_launch(installation, kept.purpose, proven)
        return replace(outcome, clear_cookie=outcome.clear_cookie or kept.binding.name)

    async def _consume(self, state: str, cookies: Mapping[str, str]) -> TalkdeskState:
        content = await self.one_time.find(OneTimeKind.TALKDESK, state, self.now()) if state else None
        if content is None:
            raise _failed("state_unknown", "This sign-on took too long, or was already used.")
        kept = TalkdeskState.from_json(content)
        # Before it is used up: whoever sends a stolen link to another browser must not spoil the first one's sign-on.
        if not kept.binding.matches(cookies):
            raise _failed("other_browser", "This sign-on was begun in another browser.")
        if await self.one_time.consume(OneTimeKind.TALKDESK, state, self.now()) is None:
            raise _failed("state_unknown", "This sign-on took too long, or was already used.")
        return kept

    async def _installation(self, kept: TalkdeskState) -> Installation:
        installation = await self.installations.find(kept.installation)
        if installation is None or not installation.is_active or installation.credentials is None:
            raise SignOnFailed(
                Stage.CALLBACK,
                "installation_inactive",
                "This app was removed from your Talkdesk account.",
                status=403,
                installation=kept.installation,
            )
        return installation

    async def _prove(self, installation: Installation, code: str, code_verifier: str) -> Proven:
        try:
            token = await self.talkdesk.exchange(installation, code=code, code_verifier=code_verifier)
            userinfo = await self.talkdesk.userinfo(installation, token.access_token)
        except TalkdeskError as error:
            raise SignOnFailed(
                Stage.CALLBACK,
                "talkdesk_failed",
                "Talkdesk could not confirm who you are.",
                status=502,
                detail=str(error),
                installation=installation.id,
                upstream_status=error.status,
            ) from None
        try:
            person = await resolve(installation.account, userinfo, self.accounts)
        except UnknownPerson as error:
            raise SignOnFailed(
                Stage.CALLBACK,
                "person_unknown",
                "Talkdesk did not say who you are.",
                status=502,
                detail=str(error),
                installation=installation.id,
            ) from None
        return Proven(person, token.answered_at)


def _refused_by_talkdesk(error: str, installation: Installation) -> SignOnFailed:
    # The code is Talkdesk's, from the URL: kept for the record if it looks like one, never shown.
    code = error if error.isascii() and error.replace("_", "").isalnum() and len(error) <= 40 else "malformed"
    return SignOnFailed(
        Stage.CALLBACK,
        "talkdesk_refused",
        "Talkdesk did not allow you to open this app.",
        status=403,
        detail=f"Talkdesk answered with the error {code}",
        installation=installation.id,
    )


def _failed(reason: str, public: str, installation: Installation | None = None) -> SignOnFailed:
    return SignOnFailed(Stage.CALLBACK, reason, public, installation=installation.id if installation else None)
