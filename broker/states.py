"""States: what is kept while the browser is elsewhere, at Keycloak for a launch or at Talkdesk to prove a person.

Single use, ten minutes, bound to this browser by a cookie of its own, checked by ourselves (RFC 6749, 10.12; RFC 9700, 4.7).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from broker.errors import LaunchAgain, SignOnFailed
from broker.model.browser import Binding, Cookie, bind
from broker.model.failure import Reason, Stage
from broker.model.pkce import challenge_of, random_value
from broker.ports import Clock, Json, OneTimeKind, OneTimeValues

LIFETIME = timedelta(minutes=10)
"""How long a trip may take: a person may have to sign in there."""

_LONGEST = 4000
"""Longest parameter of an answer, in characters."""


@dataclass(frozen=True)
class Departure:
    """What goes along."""

    state: str
    nonce: str
    code_challenge: str
    cookie: Cookie


@dataclass(frozen=True)
class Arrival:
    """What comes back, and what was kept for it."""

    parameters: Mapping[str, str]
    content: Json
    nonce: str
    code_verifier: str
    cookie_name: str
    """Has done its work and may go."""


@dataclass(frozen=True)
class States:
    """Keeps states."""

    one_time: OneTimeValues
    now: Clock

    async def depart(self, kind: OneTimeKind, content: Json, *, holder: str | None = None) -> Departure:
        """Keep content for the browser's return; `installation` and `hint` in it name a failure, `holder` whose trip it is."""
        cookie, binding = bind(self.now())
        state, nonce, verifier = random_value(), random_value(), random_value()
        kept = {
            "content": content,
            "binding": [binding.name, binding.digest],
            "nonce": nonce,
            "code_verifier": verifier,
        }
        await self.one_time.save(kind, state, kept, self.now() + LIFETIME, holder=holder)
        return Departure(state, nonce, challenge_of(verifier), cookie)

    async def arrive(
        self, kind: OneTimeKind, stage: Stage, parameters: Sequence[tuple[str, str]], cookies: Mapping[str, str]
    ) -> Arrival:
        """Take the content back, once, from the browser that it was kept for. Raises SignOnFailed, LaunchAgain."""
        given = dict(parameters)
        if len(given) != len(parameters) or any(len(value) > _LONGEST for value in given.values()):
            raise SignOnFailed(stage, Reason.ANSWER_MALFORMED)
        state = given.get("state", "")
        kept = await self.one_time.find(kind, state, self.now()) if state else None
        if kept is None:
            raise await self._gone(kind, stage, state)
        content: Json = kept["content"]
        # Before it is used up: whoever opens a stolen link in another browser must not spoil the first one's sign-on.
        if not Binding(*kept["binding"]).matches(cookies):
            raise SignOnFailed(
                stage,
                Reason.OTHER_BROWSER,
                installation=content.get("installation"),
                hint=content.get("hint"),
            )
        if await self.one_time.consume(kind, state, self.now()) is None:
            raise await self._gone(kind, stage, state)
        return Arrival(given, content, kept["nonce"], kept["code_verifier"], kept["binding"][0])

    async def _gone(self, kind: OneTimeKind, stage: Stage, state: str) -> SignOnFailed | LaunchAgain:
        # The cookie went with the first answer, so this may be any browser: it gets no more than any link to a launch would do.
        used = await self.one_time.recall(kind, state, self.now()) if state else None
        if used is None:
            return SignOnFailed(stage, Reason.STATE_UNKNOWN)
        content: Json = used["content"]
        return LaunchAgain(content["installation"], content.get("hint"))
