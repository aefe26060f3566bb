"""The click: `GET /talkdesk/launch` → Keycloak, with a hint for the installation's identity provider and no `prompt`."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import unquote, urlencode

from broker.door import Door
from broker.errors import SignOnFailed
from broker.launch.switch import Position, Switches
from broker.model.authorization import Launch
from broker.model.browser import LAST_COOKIE, PROOF_COOKIE, ROUNDS_COOKIE, Cookie
from broker.model.failure import Reason, Stage
from broker.model.installation import Installation
from broker.model.names import MAX_ID_LENGTH, Alias, TalkdeskUserId
from broker.model.outcome import GoOn
from broker.model.task import Task, TaskKind
from broker.ports import Clock, LaunchClient, OneTimeKind
from broker.states import States

INSTALLATION = "talkdesk_installation_id"
USER = "talkdesk_user_id"
SETTING_UP_AGAIN_S = 2

MOST_ROUNDS = 5
"""So often a browser may be sent to resume in a row: several tabs of the morning after are no circle."""
ROUND_S = 30
"""A circle comes back sooner than that."""

AskFor = Callable[[Task], Awaitable[None]]
"""Asks for a task."""

_COUNTS = frozenset(map(str, range(MOST_ROUNDS + 1)))


@dataclass(frozen=True)
class ToKeycloak:
    """Sends a launch to Keycloak, with a state that only this browser can bring back."""

    door: Door
    states: States
    keycloak: LaunchClient
    switches: Switches
    ask_for: AskFor
    launch_url: str
    """Our own `/talkdesk/launch`."""

    async def __call__(
        self, launch: Launch, installation: Installation, *, proof: Cookie | None = None, clear: str | None = None
    ) -> GoOn:
        """A page that goes on to Keycloak, or comes back here while the installation is being set up."""
        name = self.door.app(installation).name
        alias = await self._open_alias(installation, launch)
        if alias is None:
            url = f"{self.launch_url}?{urlencode(_parameters(launch))}"
            return GoOn(url, name, after_s=SETTING_UP_AGAIN_S, is_setting_up=True)
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
        return GoOn(url, name, in_line=is_new, set_cookies=cookies, clear_cookie=clear)

    async def _open_alias(self, installation: Installation, launch: Launch) -> Alias | None:
        """Where Keycloak is told to go; None while that is still being set up. Raises SignOnFailed."""
        alias = await self.door.alias(installation)
        position = await self.switches.position(alias) if alias else Position.GONE
        if position is Position.OFF:
            reason, hint = Reason.IDENTITY_PROVIDER_DISABLED, launch.hint
            raise SignOnFailed(Stage.LAUNCH, reason, status=403, installation=installation.id, hint=hint)
        if position is Position.ON:
            return alias
        if alias is not None:
            # Deleted in the console: it comes back under another alias, and this browser with it.
            await self.ask_for(Task(TaskKind.CONVERGE, installation.id))
        return None


@dataclass(frozen=True)
class StartLaunch:
    """Takes the click."""

    door: Door
    to_keycloak: ToKeycloak
    now: Clock

    async def __call__(self, parameters: Sequence[tuple[str, str]], *, is_framed: bool = False) -> GoOn:
        """Where the browser goes. Raises SignOnFailed."""
        given = _once(parameters)
        hint = given.get(USER) or None
        if hint is not None and (len(hint) > MAX_ID_LENGTH or not hint.isprintable()):
            # It only saves a trip: a hint that can't be one is none.
            hint = None
        installation = await self.door.enter(given.get(INSTALLATION, ""), Stage.LAUNCH, hint)
        _refuse_frames(is_framed, installation, hint)
        launch = Launch(installation.id, TalkdeskUserId(hint) if hint else None, self.now())
        return await self.to_keycloak(launch, installation, clear=PROOF_COOKIE)


@dataclass(frozen=True)
class ResumeLaunch:
    """Takes a person who came to an app without Talkdesk: launches again where this browser launched last.

    Keycloak's page sends them here by itself. An app that takes no session for good enough (`prompt=login`) would send them round for ever:
    a cookie counts the rounds.
    """

    door: Door
    to_keycloak: ToKeycloak
    now: Clock

    async def __call__(self, cookies: Mapping[str, str], *, is_framed: bool = False) -> GoOn:
        """Where the browser goes. Raises SignOnFailed, also where this browser never launched anything."""
        last = unquote(cookies.get(LAST_COOKIE, ""))
        if not last:
            raise SignOnFailed(Stage.LAUNCH, Reason.NOTHING_TO_RESUME, status=404)
        installation = await self.door.enter(last, Stage.LAUNCH)
        _refuse_frames(is_framed, installation, None)
        count = int(cookies.get(ROUNDS_COOKIE, "0")) if cookies.get(ROUNDS_COOKIE) in _COUNTS else 0
        if count >= MOST_ROUNDS:
            raise SignOnFailed(Stage.LAUNCH, Reason.RESUMED_IN_A_CIRCLE, status=409, installation=installation.id)
        launch = Launch(installation.id, None, self.now())
        going = await self.to_keycloak(launch, installation, clear=PROOF_COOKIE)
        counted = Cookie(ROUNDS_COOKIE, str(count + 1), ROUND_S)
        return replace(going, set_cookies=(*going.set_cookies, counted))


def _refuse_frames(is_framed: bool, installation: Installation, hint: str | None) -> None:
    if is_framed:
        # Of our cookies and of Keycloak's none gets there and back: `SameSite`, and what browsers keep apart by the page around it.
        raise SignOnFailed(Stage.LAUNCH, Reason.INSIDE_A_FRAME, status=403, installation=installation.id, hint=hint)


def _once(parameters: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    ours = [(name, value) for name, value in parameters if name in (INSTALLATION, USER)]
    if len(dict(ours)) != len(ours):
        raise SignOnFailed(Stage.LAUNCH, Reason.INSTALLATION_MALFORMED)
    return dict(ours)


def _parameters(launch: Launch) -> dict[str, str]:
    return {INSTALLATION: launch.installation, **({USER: launch.hint} if launch.hint else {})}
