"""Has the realm's administrator switched an identity provider off? Found before the browser goes there: Keycloak would show its own page.

Owns: asking Keycloak, and for how long an answer holds. Leaves to others: what follows from it.
A Keycloak that does not answer in time closes no door: the launch itself will tell.
"""

import asyncio
import contextvars
import time
from collections import OrderedDict
from collections.abc import Callable
from enum import Enum, auto

import structlog

from broker.errors import KeycloakError
from broker.model.names import Alias
from broker.outbound import seconds_left
from broker.ports import IdentityProviders

log = structlog.get_logger()

HOLDS_S = 5.0
"""How long an answer holds: a crowd of launches asks once, and an administrator sees at once what the switch does."""
WITHIN_S = 1.0
"""Longest that a launch waits for the answer."""
_MOST = 2000


class Position(Enum):
    """Where the switch stands."""

    ON = auto()
    OFF = auto()
    GONE = auto()
    """Somebody has deleted the identity provider."""


class Switches:
    """Asks for each identity provider at most once every few seconds, however many launches want to know."""

    def __init__(self, providers: IdentityProviders, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Nothing is asked yet."""
        self._providers = providers
        self._monotonic = monotonic
        self._asked: OrderedDict[Alias, tuple[float, asyncio.Task[Position]]] = OrderedDict()

    async def position(self, alias: Alias) -> Position:
        """Where it stands, as far as is known."""
        now = self._monotonic()
        until, asking = self._asked.get(alias, (now, None))
        if asking is None or until <= now:
            # In a context of its own: it is for everybody, and not cut short where the first one can't wait that long.
            asking = asyncio.create_task(self._ask(alias), context=contextvars.Context())
            self._asked[alias] = (now + HOLDS_S, asking)
            self._asked.move_to_end(alias)
            while len(self._asked) > _MOST:
                self._asked.popitem(last=False)
        # Shielded: a browser that goes away must not take the answer from the others that wait for it.
        try:
            async with asyncio.timeout(seconds_left()):
                return await asyncio.shield(asking)
        except TimeoutError:
            return Position.ON

    async def _ask(self, alias: Alias) -> Position:
        try:
            async with asyncio.timeout(WITHIN_S):
                found = await self._providers.find(alias)
        except (KeycloakError, TimeoutError) as error:
            log.warning("whether an identity provider is enabled is not known", alias=alias, error=str(error))
            return Position.ON
        if found is None:
            return Position.GONE
        return Position.ON if found.get("enabled", True) is True else Position.OFF
