"""A launch that asked Talkdesk who is there: the same person goes on, another person's session of ours ends first.

Nothing ends before Talkdesk has named the person: a link that somebody sent can end nobody's session.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from broker.errors import KeycloakError, SignOnFailed
from broker.launch.decide import Next, after_proof
from broker.launch.door import Door
from broker.launch.start import ToKeycloak
from broker.model.authorization import Proven, Proving
from broker.model.browser import PROOF_COOKIE, Cookie
from broker.model.failure import Stage
from broker.model.installation import Installation
from broker.model.outcome import Outcome, Redirect
from broker.model.pkce import random_value
from broker.model.sign_on import SignOn, SignOnState
from broker.ports import Clock, OneTimeKind, OneTimeValues, SignOns

PROOF_LIFETIME = timedelta(seconds=30)
"""From the page that goes on by itself to `authorize`: two redirects."""
_MOST_ROUNDS = 2

EndSession = Callable[[SignOn], Awaitable[None]]
"""Ends the Keycloak session of one sign-on. Raises KeycloakError."""


@dataclass(frozen=True)
class ProvenLaunch:
    """Goes on with a launch whose person is certain now."""

    door: Door
    one_time: OneTimeValues
    sign_ons: SignOns
    end_session: EndSession
    to_keycloak: ToKeycloak
    now: Clock

    async def __call__(self, installation: Installation, proving: Proving, proven: Proven) -> Outcome:
        """Where the browser goes next. Raises SignOnFailed."""
        launch = proving.launch
        await self.door.enter(installation.id, Stage.CALLBACK, launch.hint)
        session = await self.sign_ons.find(proving.sign_on)
        if session is not None and after_proof(session, proven) is Next.OPEN_APP:
            await self.sign_ons.advance(session.id, SignOnState.SEEN)
            return Redirect(self.door.app(installation).url)
        if launch.round >= _MOST_ROUNDS:
            raise self._failed(installation, launch.hint, "session_stays", "the session did not end")
        if session is not None:
            await self._end(session, installation, launch.hint)
        proof = await self._proof(installation, proven)
        again = replace(launch, began_at=self.now(), round=launch.round + 1)
        return await self.to_keycloak(again, installation, in_line=False, proof=proof)

    async def _end(self, session: SignOn, installation: Installation, hint: str | None) -> None:
        try:
            await self.end_session(session)
        except KeycloakError as error:
            raise self._failed(installation, hint, "session_stays", str(error), error.status) from None

    async def _proof(self, installation: Installation, proven: Proven) -> Cookie:
        value = random_value()
        expires = self.now() + PROOF_LIFETIME
        await self.one_time.save(OneTimeKind.PROOF, f"{installation.id} {value}", proven.to_json(), expires)
        return Cookie(PROOF_COOKIE, value)

    @staticmethod
    def _failed(
        installation: Installation, hint: str | None, reason: str, detail: str, upstream_status: int | None = None
    ) -> SignOnFailed:
        return SignOnFailed(
            Stage.CALLBACK,
            reason,
            "Somebody else is still signed in at this browser.",
            status=502,
            detail=detail,
            installation=installation.id,
            hint=hint,
            upstream_status=upstream_status,
        )
