"""Effect of the task `check`: do the installation's credentials still work at Talkdesk?

An `app.uninstalled` that was lost (Talkdesk tries three times within 15 minutes, and then never again) leaves an installation behind that
nobody can use. It becomes visible as suspect, and nothing else: who is signed on stays so, and nothing is deleted by inference.

Owns: what counts as refused, and when the next check is due. Leaves to others: how often at once (the worker's places).
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from broker.converge.provision import CHECK_EVERY
from broker.errors import NotYet, TalkdeskError
from broker.model.installation import Installation
from broker.model.names import InstallationId
from broker.model.task import Claim
from broker.ports import Apps, Clock, Installations

log = structlog.get_logger()

_REFUSED_STATUSES = frozenset({401, 403, 404, 410})
_REFUSED_CODES = frozenset({"invalid_client", "unauthorized_client"})


@dataclass(frozen=True)
class Check:
    """Carries out the task `check`; each run asks for the next one, so the checks of all installations stay spread over the day."""

    installations: Installations
    apps: Apps
    now: Clock
    chance: Callable[[], float] = random.random

    async def __call__(self, claim: Claim) -> None:
        """Ask Talkdesk for a token. Raises NotYet until the next check, TalkdeskError where Talkdesk did not say yes or no."""
        installation = await self.installations.find(InstallationId(claim.task.key))
        if installation is None or not installation.is_installed:
            return
        await self._ask(installation)
        raise NotYet(CHECK_EVERY * (0.9 + 0.2 * self.chance()), "the next check")

    async def _ask(self, installation: Installation) -> None:
        if installation.credentials is None:
            return
        try:
            await self.apps.prove(installation, installation.credentials)
        except TalkdeskError as error:
            if _is_refusal(error):
                await self.installations.mark_suspect(installation.id, self.now())
                log.warning(
                    "installation is suspect", installation=installation.id, status=error.status, error_code=error.code
                )
                return
            if not error.is_final:
                raise
            # Neither yes nor no, and asking again at once would not change it.
            log.warning("check without a result", installation=installation.id, error=str(error))
            return
        if installation.suspect_since is not None:
            await self.installations.clear_suspect(installation.id)
            log.info("installation is no longer suspect", installation=installation.id)


def _is_refusal(error: TalkdeskError) -> bool:
    return error.status in _REFUSED_STATUSES or error.code in _REFUSED_CODES
