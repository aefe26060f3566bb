"""The click: `GET /talkdesk/launch` → Keycloak, with a hint for the installation's identity provider and no `prompt`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlencode

from broker.errors import SignOnFailed
from broker.launch.door import Door
from broker.model.authorization import STATE_LIFETIME, Launch, LaunchState
from broker.model.browser import LAST_COOKIE, PROOF_COOKIE, Cookie, bind
from broker.model.failure import Stage
from broker.model.installation import Installation
from broker.model.names import MAX_ID_LENGTH, TalkdeskUserId
from broker.model.outcome import GoOn
from broker.model.pkce import challenge_of, random_value
from broker.ports import Clock, LaunchClient, OneTimeKind, OneTimeValues

INSTALLATION = "talkdesk_installation_id"
USER = "talkdesk_user_id"
SETTING_UP_AGAIN_S = 2
_REMEMBERED_S = 30 * 24 * 3600


@dataclass(frozen=True)
class ToKeycloak:
    """Sends a launch to Keycloak, with a state that only this browser can bring back."""

    door: Door
    one_time: OneTimeValues
    keycloak: LaunchClient
    launch_url: str
    """Our own `/talkdesk/launch`."""
    now: Clock

    async def __call__(
        self, launch: Launch, installation: Installation, *, in_line: bool, proof: Cookie | None = None
    ) -> GoOn:
        """A page that goes on to Keycloak, or comes back here while the installation is being set up."""
        name = self.door.app(installation).name
        alias = await self.door.alias(installation)
        if alias is None:
            url = f"{self.launch_url}?{urlencode(_parameters(launch))}"
            return GoOn(url, f"{name} is being set up", name, after_s=SETTING_UP_AGAIN_S)
        cookie, binding = bind(self.now())
        state, nonce, verifier = random_value(), random_value(), random_value()
        kept = LaunchState(launch, binding, nonce, verifier)
        await self.one_time.save(OneTimeKind.LAUNCH, state, kept.to_json(), self.now() + STATE_LIFETIME)
        url = self.keycloak.authorization_url(
            alias=alias, state=state, nonce=nonce, code_challenge=challenge_of(verifier)
        )
        last = Cookie(LAST_COOKIE, quote(installation.id, safe=""), _REMEMBERED_S)
        cookies = (cookie, last, proof) if proof else (cookie, last)
        # A proof that an earlier launch left behind may be another person's.
        clear = None if proof else PROOF_COOKIE
        title = f"Opening {name} …"
        return GoOn(url, title, name, in_line=in_line, set_cookies=cookies, clear_cookie=clear)


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
        return await self.to_keycloak(launch, installation, in_line=True)


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
        return await self.to_keycloak(Launch(installation.id, None, self.now()), installation, in_line=True)


def _once(parameters: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    ours = [(name, value) for name, value in parameters if name in (INSTALLATION, USER)]
    if len(dict(ours)) != len(ours):
        raise SignOnFailed(Stage.LAUNCH, "installation_malformed", "The link to this app is not complete.")
    return dict(ours)


def _parameters(launch: Launch) -> dict[str, str]:
    return {INSTALLATION: launch.installation, **({USER: launch.hint} if launch.hint else {})}
