"""The answer to `app.credentials_rotated`: prove the new set, use it, let the old one finish what it began, acknowledge, retire.

With the acknowledgement Talkdesk ends every other set. So the new one has to have shown that it works, and no sign-on may be on its way
whose code only the old one can redeem; such a one lives ten minutes at most, and Talkdesk gives seven days. A compromised old set is dead
at once: then there is nothing to wait for it, the new one is in use as soon as it is proven.

Owns: this order, and which set is acknowledged: never an older one than the newest that is known, for that would end the newer.
Leaves to others: which set is in use (the fold), retries (`answer`, the worker).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from broker.errors import NotYet, TalkdeskError
from broker.model.credentials import Credentials
from broker.model.installation import CredentialSet, Installation
from broker.ports import Apps, Clock, Installations, OneTimeKind, OneTimeValues
from broker.to_talkdesk import under_way_with

ASK_AGAIN = timedelta(seconds=10)
"""How often to look whether the sign-ons of the old set are over."""

log = structlog.get_logger()


@dataclass(frozen=True)
class AnswerRotation:
    """Answers a rotation of an installation that is there."""

    installations: Installations
    apps: Apps
    one_time: OneTimeValues
    now: Clock

    async def __call__(self, installation: Installation, created_at: datetime, *, is_last: bool) -> str:
        """What was answered; `is_last` where no other rotation is owed an answer.

        Raises TalkdeskError, and NotYet while sign-ons of the old set are under way.
        """
        newest = next(iter(installation.credential_sets), None)
        if newest is None or newest.created_at > created_at:
            # Overtaken by a newer set: acknowledged late, this one would end that. Came it after that was acknowledged, nobody else
            # forgets what it brought.
            if newest is not None and is_last:
                await self._retire_older(installation, newest)
            return "none owed"
        if not newest.is_proven:
            await self.apps.prove(installation, newest.credentials)
            await self.installations.mark_proven(installation.id, newest.credentials, self.now())
            log.info("rotated credentials are in use", installation=installation.id)
            if installation.suspect_since is not None:
                await self.installations.clear_suspect(installation.id)
        await self._let_end(installation, newest)
        await self._acknowledge(installation, newest.credentials)
        await self._retire_older(installation, newest)
        return "acknowledge"

    async def let_older_end(self, installation: Installation) -> None:
        """Nothing, if no sign-on needs a set that is older than the one in use. Raises NotYet."""
        if in_use := _in_use(installation):
            await self._let_end(installation, in_use)

    async def retire_older(self, installation: Installation) -> None:
        """Forget the sets that are older than the one in use."""
        if in_use := _in_use(installation):
            await self._retire_older(installation, in_use)

    async def _let_end(self, installation: Installation, kept: CredentialSet) -> None:
        for client_id in sorted({each.client_id for each in _older(installation, kept)} - {kept.credentials.client_id}):
            holder = under_way_with(installation.id, client_id)
            if await self.one_time.has_open(OneTimeKind.TALKDESK, holder, self.now()):
                raise NotYet(ASK_AGAIN, "sign-ons of the former credentials are under way")

    async def _retire_older(self, installation: Installation, kept: CredentialSet) -> None:
        if older := _older(installation, kept):
            await self.installations.retire_credentials(installation.id, older)

    async def _acknowledge(self, installation: Installation, credentials: Credentials) -> None:
        try:
            await self.apps.acknowledge(installation, credentials)
        except TalkdeskError as error:
            # Nothing waits for an acknowledgement: an earlier one of ours was heard, though we did not hear so.
            if error.status != 409:
                raise


def _in_use(installation: Installation) -> CredentialSet | None:
    return next((each for each in installation.credential_sets if each.is_proven), None)


def _older(installation: Installation, kept: CredentialSet) -> Sequence[Credentials]:
    sets = installation.credential_sets
    return [each.credentials for each in sets[sets.index(kept) + 1 :]]
