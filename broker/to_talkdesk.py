"""A trip of the browser to Talkdesk, to prove who is there: begun by Keycloak's request, or by a launch.

Both flows need it and neither may know the other. Comes back at the callback (`provider/callback`).
"""

from dataclasses import dataclass

from broker.errors import SignOnFailed, TalkdeskError
from broker.model.authorization import AuthorizationRequest, Launch, Trip
from broker.model.failure import Reason, Stage
from broker.model.installation import Installation
from broker.model.names import InstallationId
from broker.model.outcome import Redirect
from broker.ports import Clock, OneTimeKind, TalkdeskOAuth
from broker.states import States


def under_way_with(installation: InstallationId, client_id: str) -> str:
    """Holder of the states of sign-ons that these credentials have begun: who retires the credentials asks whether any are left."""
    return f"{installation} {client_id}"


@dataclass(frozen=True)
class ToTalkdesk:
    """Sends a browser to Talkdesk."""

    states: States
    talkdesk: TalkdeskOAuth
    now: Clock

    async def __call__(
        self,
        installation: Installation,
        purpose: AuthorizationRequest | Launch,
        stage: Stage,
        *,
        clear_cookie: str | None = None,
        waited_s: float | None = None,
    ) -> Redirect:
        """Talkdesk's authorization endpoint. `waited_s`: of a second trip, how long the first one took. Raises SignOnFailed."""
        client_id = installation.credentials.client_id if installation.credentials else ""
        trip = Trip(installation.id, purpose, self.now(), client_id, waited_s is not None, waited_s or 0)
        holder = under_way_with(installation.id, client_id)
        departure = await self.states.depart(OneTimeKind.TALKDESK, trip.to_json(), holder=holder)
        try:
            url = self.talkdesk.authorization_url(
                installation,
                state=departure.state,
                nonce=departure.nonce,
                code_challenge=departure.code_challenge,
            )
        except TalkdeskError as error:
            raise SignOnFailed(
                stage,
                Reason.TALKDESK_UNKNOWN,
                status=502,
                detail=str(error),
                installation=installation.id,
            ) from None
        return Redirect(url, set_cookies=(departure.cookie,), clear_cookie=clear_cookie)
