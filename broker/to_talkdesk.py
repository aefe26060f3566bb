"""A trip of the browser to Talkdesk, to prove who is there: begun by Keycloak's request, or by a launch.

Both flows need it and neither may know the other. Comes back at the callback (`provider/callback`).
"""

from dataclasses import dataclass

from broker.errors import SignOnFailed, TalkdeskError
from broker.model.authorization import STATE_LIFETIME, AuthorizationRequest, Proving, TalkdeskState
from broker.model.browser import bind
from broker.model.failure import Stage
from broker.model.installation import Installation
from broker.model.outcome import Redirect
from broker.model.pkce import challenge_of, random_value
from broker.ports import Clock, OneTimeKind, OneTimeValues, TalkdeskOAuth


@dataclass(frozen=True)
class ToTalkdesk:
    """Sends a browser to Talkdesk with a state that only this browser can bring back."""

    one_time: OneTimeValues
    talkdesk: TalkdeskOAuth
    now: Clock

    async def __call__(
        self,
        installation: Installation,
        purpose: AuthorizationRequest | Proving,
        stage: Stage,
        *,
        clear_cookie: str | None = None,
    ) -> Redirect:
        """Talkdesk's authorization endpoint. Raises SignOnFailed."""
        cookie, binding = bind(self.now())
        state, nonce, verifier = random_value(), random_value(), random_value()
        kept = TalkdeskState(installation.id, purpose, binding, nonce, verifier)
        try:
            url = self.talkdesk.authorization_url(
                installation, state=state, nonce=nonce, code_challenge=challenge_of(verifier)
            )
        except TalkdeskError as error:
            raise SignOnFailed(
                stage,
                "talkdesk_unknown",
                "Talkdesk can't be asked who you are.",
                status=502,
                detail=str(error),
                installation=installation.id,
            ) from None
        await self.one_time.save(OneTimeKind.TALKDESK, state, kept.to_json(), self.now() + STATE_LIFETIME)
        return Redirect(url, set_cookies=(cookie,), clear_cookie=clear_cookie)
