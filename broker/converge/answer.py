"""Effect of the task `answer`: tells Talkdesk what is owed for an event, once everything is what the event says (docs/events.md).

Owns: which answer (an install is rejected only where the account is not welcome: a realm that refuses is mended, and the
install approved then); erasing the credentials after an uninstall was acknowledged.
Leaves to others: rotations (`rotation`), the Apps API (`Apps`), retries (the worker), how long they go on (`urgent`).
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from broker.converge.rotation import AnswerRotation
from broker.converge.urgent import urgent
from broker.errors import NotYet, TalkdeskError
from broker.model.event import EventKey
from broker.model.identity_provider import ProviderState
from broker.model.installation import Installation
from broker.model.names import AccountId
from broker.model.task import Claim
from broker.ports import Apps, Clock, Events, Installations, Logouts, ProviderRecords

NOT_WELCOME = "This Talkdesk account is not enabled for the app yet. Please contact the app's vendor."

_SOON = timedelta(seconds=2)

# Talkdesk may have dropped the installation with its credentials by the time that we acknowledge.
_GONE = frozenset({401, 403, 404})

UNINSTALLED, UPDATED, ROTATED = "app.uninstalled", "app.updated", "app.credentials_rotated"

log = structlog.get_logger()


@dataclass(frozen=True)
class Answer:
    """Carries out the task `answer`."""

    events: Events
    installations: Installations
    records: ProviderRecords
    logouts: Logouts
    apps: Apps
    rotation: AnswerRotation
    is_welcome: Callable[[AccountId], bool]
    """Whether the account may use the app (setting `ACCOUNTS`)."""
    now: Clock

    async def __call__(self, claim: Claim) -> None:
        """Answer the event whose row the task names, if that is still owed. Raises TalkdeskError, NotYet."""
        number = claim.task.key
        key, created_at = await self.events.get(number)
        if key.installation is None or created_at is None:
            raise ValueError(f"event {number} belongs to no installation and is owed no answer")
        # The facts before what is owed: an uninstall that arrives between the two is then unknown, or known to be owed its answer. The
        # other way round it would be neither, and the credentials be forgotten with which it has to be acknowledged.
        installation = await self.installations.find(key.installation)
        owed = dict(await self.events.unanswered(key.installation))
        if number not in owed or installation is None:
            # Answered; or it came before its install, whose converge asks for this answer again.
            return
        others = [other.type for row, other in owed.items() if row != number]
        try:
            answer = await self._answer(number, key, installation, created_at, others)
        except TalkdeskError as error:
            raise urgent(error, created_at, self.now()) from None
        if answer is not None:
            await self.events.mark_answered(number, answer)
            log.info("event answered", installation=installation.id, type=key.type, answer=answer)

    async def _answer(
        self, number: str, key: EventKey, installation: Installation, created_at: datetime, others: Collection[str]
    ) -> str | None:
        """What was said; None where it is not time yet, and something else will ask for the answer again."""
        if key.type == UNINSTALLED:
            return await self._answer_uninstall(installation, created_at)
        if not installation.is_installed:
            return await self._answer_late(installation, created_at, others)
        if installation.began_after is not None and created_at <= installation.began_after:
            return await self._forget(installation, installation.began_after, others)
        if key.type == ROTATED:
            return await self.rotation(installation, created_at, is_last=ROTATED not in others)
        if key.type == UPDATED and not await self.logouts.are_done(number):
            raise NotYet(_SOON, "people whose licence was removed are being signed out")
        return await self._approve(installation)

    async def _approve(self, installation: Installation) -> str | None:
        """Also where it is suspended: that is between vendor and customer, and ends without a new install.

        Sets older than the one that it shows to work are of an install that this one replaced. Raises NotYet while they are needed.
        """
        if not self.is_welcome(installation.account):
            await self.apps.reject(installation, NOT_WELCOME)
            return "reject"
        record = await self.records.find_latest(installation.id)
        if record is not None and record.state is ProviderState.LIVE:
            await self.rotation.let_older_end(installation)
            await self.apps.approve(installation)
            await self.rotation.retire_older(installation)
            return "approve"
        # Lost since it was complete: the converge that makes it again asks for this answer again.
        return None

    async def _answer_late(
        self, installation: Installation, created_at: datetime, others: Collection[str]
    ) -> str | None:
        if created_at > installation.changed_at:
            # Of a life whose install is still to come.
            return None
        return await self._forget(installation, installation.changed_at, others)

    async def _forget(self, installation: Installation, ended_at: datetime, others: Collection[str]) -> str:
        """It came after the uninstall that ended its life. Is that answered, nobody else forgets the credentials that it brought."""
        if UNINSTALLED not in others:
            await self.installations.erase_credentials(installation.id, up_to=ended_at)
        return "none owed"

    async def _answer_uninstall(self, installation: Installation, created_at: datetime) -> str:
        answer = "none owed"
        # Installed anew, to approve would speak for the new install. Without credentials nothing can be said at all.
        if not installation.is_installed and installation.credentials is not None:
            await self._acknowledge(installation)
            answer = "acknowledge"
        # Of every life that is over, since what came late in one leaves it to this. And before the event counts as answered: a crash
        # in between must not leave them here for ever.
        over = installation.began_after if installation.is_installed else installation.changed_at
        await self.installations.erase_credentials(installation.id, up_to=max(created_at, over or created_at))
        return answer

    async def _acknowledge(self, installation: Installation) -> None:
        try:
            await self.apps.approve(installation)
        except TalkdeskError as error:
            if error.status not in _GONE and not error.is_final:
                raise
            log.info("uninstall was over at Talkdesk", installation=installation.id, status=error.status)
