"""A code came a second time: what its first use gave ends (RFC 6749, 4.1.2; RFC 9700, 4.5). Somebody else may have had the first one.

Owns: the effect of the task. Leaves to others: noticing it, which is the token endpoint's.
"""

from dataclasses import dataclass
from datetime import timedelta

import structlog

from broker.errors import NotYet
from broker.logout.end_sessions import SETTLED, EndSessions
from broker.model.sign_on import SignOn
from broker.model.task import Claim
from broker.ports import Clock, SignOns

log = structlog.get_logger()

_AGAIN = timedelta(seconds=10)


@dataclass(frozen=True)
class EndReplayed:
    """Carries out the task `end sign-on`."""

    sign_ons: SignOns
    end_sessions: EndSessions
    now: Clock

    async def __call__(self, claim: Claim) -> None:
        """End its session. Raises KeycloakError, and NotYet while it may become one only now."""
        sign_on = await self.sign_ons.find(claim.task.key)
        if sign_on is None:
            return
        log.warning("a code came twice: its sign-on ends", installation=sign_on.installation)
        await self.end_sessions.all([sign_on], is_settled=self._is_settled)
        if not self._is_settled(sign_on):
            raise NotYet(_AGAIN, "the first use was a moment ago: its session is ended once more")

    def _is_settled(self, sign_on: SignOn) -> bool:
        return sign_on.created_at < self.now() - SETTLED
