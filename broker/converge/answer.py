"""Effect of the task `answer`: tells Talkdesk what is owed for an event, once the realm is what the event says.

Owns: which answer (an install is rejected only where the account is not welcome: a realm that refuses is mended, and the
install approved then); erasing the credentials after an uninstall was acknowledged.
Leaves to others: the Apps API (`Apps`), retries (the worker).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

import structlog

from broker.errors import TalkdeskError
from broker.model.event import EventKey
from broker.model.identity_provider import ProviderState
from broker.model.installation import Installation
from broker.model.names import AccountId
from broker.model.task import Claim
from broker.ports import Apps, Events, Installations, ProviderRecords

NOT_WELCOME = "This Talkdesk account is not enabled for the app yet. Please contact the app's vendor."

# Talkdesk may have dropped the installation with its credentials by the time that we acknowledge.
_GONE = frozenset({401, 403, 404})

_UNINSTALLED = "app.uninstalled"

log = structlog.get_logger()


@dataclass(frozen=True)
class Answer:
    """Carries out the task `answer`."""

    events: Events
    installations: Installations
    records: ProviderRecords
    apps: Apps
    is_welcome: Callable[[AccountId], bool]
    """Whether the account may use the app (setting `ACCOUNTS`)."""

    async def __call__(self, claim: Claim) -> None:
        """Answer the event whose row the task names, if that is still owed. Raises TalkdeskError."""
        number = claim.task.key
        key, created_at = await self.events.get(number)
        if key.installation is None or created_at is None:
            raise ValueError(f"event {number} belongs to no installation and is owed no answer")
        owed = dict(await self.events.unanswered(key.installation))
        installation = await self.installations.find(key.installation)
        if number not in owed or installation is None:
            return
        if key.type == _UNINSTALLED:
            answer: str | None = await self._answer_uninstall(installation, created_at)
        elif installation.is_active:
            answer = await self._answer_install(installation)
        else:
            answer = await self._answer_late_install(installation, owed.values())
        if answer is not None:
            await self.events.mark_answered(number, answer)
            log.info("event answered", installation=installation.id, type=key.type, answer=answer)

    async def _answer_install(self, installation: Installation) -> str | None:
        if not self.is_welcome(installation.account):
            await self.apps.reject(installation, NOT_WELCOME)
            return "reject"
        record = await self.records.find_latest(installation.id)
        if record is not None and record.state is ProviderState.LIVE:
            await self.apps.approve(installation)
            return "approve"
        # Lost since it was complete: the converge that makes it again asks for this answer again.
        return None

    async def _answer_late_install(self, installation: Installation, owed: Iterable[EventKey]) -> str:
        # It came after its uninstall. Is that answered already, nobody else forgets the credentials that it brought.
        if all(key.type != _UNINSTALLED for key in owed):
            await self.installations.erase_credentials(installation.id, up_to=installation.changed_at)
        return "none owed"

    async def _answer_uninstall(self, installation: Installation, created_at: datetime) -> str:
        answer = "none owed"
        # Installed anew, to approve would speak for the new install. Without credentials nothing can be said at all.
        if not installation.is_active and installation.credentials is not None:
            await self._acknowledge(installation)
            answer = "acknowledge"
        # Before the event counts as answered: a crash in between must not leave them here for ever.
        await self.installations.erase_credentials(installation.id, up_to=created_at)
        return answer

    async def _acknowledge(self, installation: Installation) -> None:
        try:
            await self.apps.approve(installation)
        except TalkdeskError as error:
            if error.status not in _GONE and not error.is_final:
                raise
            log.info("uninstall was over at Talkdesk", installation=installation.id, status=error.status)
