"""The click: `GET /talkdesk/launch` → Keycloak, with a hint for the installation's identity provider and no `prompt`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlencode

from broker.door import Door
from broker.errors import SignOnFailed
from broker.model.authorization import Launch
from broker.model.browser import LAST_COOKIE, PROOF_COOKIE, Cookie
from broker.model.failure import Stage
from broker.model.installation import Installation
from broker.model.names import MAX_ID_LENGTH, TalkdeskUserId
from broker.model.outcome import GoOn
from broker.ports import Clock, LaunchClient, OneTimeKind
from broker.states import States

INSTALLATION = "talkdesk_installation_id"
USER = "talkdesk_user_id"
SETTING_UP_AGAIN_S = 2


@dataclass(frozen=True)
class ToKeycloak:
    """Sends a launch to Keycloak, with a state that only this browser can bring back."""

    door: Door
    states: States
    keycloak: LaunchClient
    launch_url: str
    """Our own `/talkdesk/launch`."""

    async def __call__(
        self, launch: Launch, installation: Installation, *, proof: Cookie | None = None, clear: str | None = None
    ) -> GoOn:
        """A page that goes on to Keycloak, or comes back here while the installation is being set up."""
        name = self.door.app(installation).name
        alias = await self.door.alias(installation)
        if alias is None:
            url = f"{self.launch_url}?{urlencode(_parameters(launch))}"
            return GoOn(url, f"{name} is being set up", name, after_s=SETTING_UP_AGAIN_S)
        content = {"launch": launch.to_json(), "installation": launch.installation, "hint": launch.hint}
        departure = await self.states.depart(OneTimeKind.LAUNCH, content)
        url = self.keycloak.authorization_url(
            alias=alias,
            state=departure.state,
            nonce=departure.nonce,
            code_challenge=departure.code_challenge,
            proof=launch.proof,
        )
        cookies = (departure.cookie, proof) if proof else (departure.cookie,)
        # Only a launch that begins has to wait for others: one that goes on is alone since its page was left.
        is_new = launch.proof is None
        return GoOn(url, f"Opening {name} …", name, in_line=is_new, set_cookies=cookies, clear_cookie=clear)


@dataclass(frozen=True)
class StartLaunch:
    """Takes the click."""

    door: Door
    to_keycloak: ToKeycloak
    now: Clock

    async def __call__(self, parameters: Sequence[tuple[str, str]]) -> GoOn:
        """Where the browser goes. Raises SignOnFailed."""
        given = _once(parameters)
        hint = given.get(USER) or None
        if hint is not None and (len(hint) > MAX_ID_LENGTH or not hint.isprintable()):
            # It only saves a trip: a hint that can't be one is none.
            hint = None
        installation = await self.door.enter(given.get(INSTALLATION, ""), Stage.LAUNCH, hint)
        launch = Launch(installation.id, TalkdeskUserId(hint) if hint else None, self.now())
        return await self.to_keycloak(launch, installation, clear=PROOF_COOKIE)


@dataclass(frozen=True)
class ResumeLaunch:
    """Takes a person who came to an app without Talkdesk: launches again where this browser launched last."""

    door: Door
    to_keycloak: ToKeycloak
    now: Clock

    async def __call__(self, cookies: Mapping[str, str]) -> GoOn:
        """Where the browser goes. Raises SignOnFailed, also where this browser never launched anything."""
        last = unquote(cookies.get(LAST_COOKIE, ""))
        if not last:
            raise SignOnFailed(Stage.LAUNCH, "nothing_to_resume", "Please open the app from Talkdesk.", status=404)
        installation = await self.door.enter(last, Stage.LAUNCH)
        launch = Launch(installation.id, None, self.now())
        return await self.to_keycloak(launch, installation, clear=PROOF_COOKIE)


def _once(parameters: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    ours = [(name, value) for name, value in parameters if name in (INSTALLATION, USER)]
    if len(dict(ours)) != len(ours):
        raise SignOnFailed(Stage.LAUNCH, "installation_malformed", "The link to this app is not complete.")
    return dict(ours)


def _parameters(launch: Launch) -> dict[str, str]:
    return {INSTALLATION: launch.installation, **({USER: launch.hint} if launch.hint else {})}
