"""Effect of the task `converge`: makes the realm what the facts about an installation say (docs/flows.md "Converge").

Owns: order of the steps, in and out; generations of aliases; asking for the answers that are owed afterwards.
Leaves to others: ending sessions (passed in), the answers themselves (`answer`), retries (the worker).

Every step can be the last one before a crash; redone from the start, it ends in the same place.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import structlog

from broker.converge import merge
from broker.converge.desired import MAPPER, Deployment, desired_mapper, desired_provider
from broker.converge.urgent import urgent
from broker.errors import KeycloakError, OutsideError
from broker.model.identity_provider import ProviderRecord, ProviderState
from broker.model.installation import Installation
from broker.model.names import AccountId, Alias, AppId, InstallationId
from broker.model.task import Claim, Task, TaskKind
from broker.ports import Clock, Events, IdentityProviders, Installations, Json, ProviderRecords, Repairs, Tasks

# A realm may hold leftovers of another broker under our next names, but not endlessly many.
_MAX_LOST_ALIASES = 20

CHECK_EVERY = timedelta(days=1)
"""How often Talkdesk is asked whether an installation's credentials still work."""

log = structlog.get_logger()


@dataclass(frozen=True)
class Converge:
    """Carries out the task `converge`."""

    events: Events
    installations: Installations
    records: ProviderRecords
    tasks: Tasks
    providers: IdentityProviders
    repairs: Repairs
    deployment: Deployment
    app_names: Mapping[AppId, str]
    is_welcome: Callable[[AccountId], bool]
    """Whether the account may have an identity provider (setting `ACCOUNTS`)."""
    end_sessions: Callable[[Installation], Awaitable[None]]
    """Ends every sign-on through the installation; harmless when repeated."""
    now: Clock
    chance: Callable[[], float] = random.random
    """From 0 to 1; spreads the checks of all installations over a day."""

    async def __call__(self, claim: Claim) -> None:
        """Converge the installation that the task names. Raises KeycloakError, and what `end_sessions` raises."""
        installation_id = InstallationId(claim.task.key)
        # Read before the facts: an event that arrives meanwhile asks for a converge of its own, and must not be answered
        # by this one, which knows nothing of it.
        owed = await self.events.unanswered(installation_id)
        installation = await self.installations.find(installation_id)
        if installation is None:
            log.warning("converge of an unknown installation", installation=installation_id)
            return
        try:
            await self._make_so(installation)
        except OutsideError as error:
            # What is owed waits for this: it is this task then that has to be seen.
            oldest = (await self.events.get(owed[0][0]))[1] if owed else None
            raise (error if oldest is None else urgent(error, oldest, self.now())) from None
        # Side by side, since the disk takes both at once.
        answering = self.tasks.enqueue_all(TaskKind.ANSWER, [number for number, _ in owed])
        await asyncio.gather(answering, self._check_later(installation))

    async def _check_later(self, installation: Installation) -> None:
        if installation.is_installed:
            await self.tasks.enqueue(Task(TaskKind.CHECK, installation.id), CHECK_EVERY * (0.5 + 0.5 * self.chance()))

    async def _make_so(self, installation: Installation) -> None:
        if not installation.is_installed:
            await self.withdraw(installation)
            if installation.suspect_since is not None:
                await self.installations.clear_suspect(installation.id)
            return
        if self.is_welcome(installation.account):
            await self.provision(installation)
        if not installation.is_active:
            # Suspended: the issuer lets nobody in any more. The identity provider stays, with all that the realm's administrator
            # has set on it, and so that logout tokens find it.
            await self.end_sessions(installation)

    async def provision(self, installation: Installation) -> None:
        """See to it that the installation has one complete identity provider."""
        for _ in range(_MAX_LOST_ALIASES):
            record = await self.records.reserve(installation.id)
            if await self._complete(installation, record):
                if record.state is not ProviderState.LIVE:
                    await self.records.mark_live(record.alias)
                    log.info("identity provider is live", installation=installation.id, alias=record.alias)
                return
            # Deleted in the console, or somebody else's. An alias that was used once breaks its users if it comes again.
            await self.records.mark_withdrawn(record.alias)
            log.warning(
                "identity provider is lost, taking the next alias", installation=installation.id, alias=record.alias
            )
        raise KeycloakError(f"installation {installation.id}: {_MAX_LOST_ALIASES} aliases in a row are somebody else's")

    async def withdraw(self, installation: Installation) -> None:
        """Sessions first, identity provider after: with it its sessions die, and no app would be told."""
        record = await self.records.find_latest(installation.id)
        ours = await self._find_ours(record.alias) if record else None
        if ours is not None and not ours["enabled"]:
            # Disabled (by an administrator, or never finished) it answers 500 to logout tokens while its sessions live on.
            # Nobody signs on through it for that: its issuer is closed since the uninstall.
            await self.providers.replace(merge.writable(ours) | {"enabled": True})
        # Also where nothing was set up yet: people of the account may be signed on through another of its apps.
        await self.end_sessions(installation)
        if record is None:
            return
        if ours is not None:
            await self.providers.delete(record.alias)
        if record.state is not ProviderState.WITHDRAWN:
            await self.records.mark_withdrawn(record.alias)
            log.info("identity provider is withdrawn", installation=installation.id, alias=record.alias)

    async def _complete(self, installation: Installation, record: ProviderRecord) -> bool:
        """Bring the record's identity provider to what it should be; False where it is gone or not ours."""
        app_name = self.app_names.get(installation.app, installation.app)
        desired = desired_provider(installation, app_name, record.alias, self.deployment)
        found = await self._create_or_find(record, desired)
        if found is None:
            return False
        current, mappers = found
        mapper = merge.mapper_to_write(mappers, desired_mapper(record.alias))
        changed = merge.drift(current, desired) | ({MAPPER} if mapper else frozenset())
        # What is not complete yet is nobody's but ours.
        contested = (
            await self._contested(installation, record.alias, changed) if merge.is_set_up(current) else frozenset()
        )
        if mapper and MAPPER not in contested:
            await self._write_mapper(record.alias, mapper)
        wanted = merge.completed(merge.merged(current, desired, but_not=contested))
        if wanted != merge.writable(current):
            await self.providers.replace(wanted)
        if merge.is_set_up(current) and (repaired := changed - contested):
            await self.repairs.note(record.alias, repaired, self.now())
            log.warning("repaired", installation=installation.id, alias=record.alias, fields=sorted(repaired))
        return True

    async def _contested(self, installation: Installation, alias: Alias, changed: frozenset[str]) -> frozenset[str]:
        """Which of these changes stay for now: somebody makes them again and again, and two that write in turns help nobody."""
        if not changed:
            return changed
        contested = changed & (await self.repairs.contested([alias], self.now())).get(alias, frozenset())
        if contested and await self.repairs.call_for_people(alias, self.now()):
            fields = sorted(contested)
            log.error("somebody else writes our fields", installation=installation.id, alias=alias, fields=fields)
        return contested

    async def _create_or_find(self, record: ProviderRecord, desired: Json) -> tuple[Json, Sequence[Json]] | None:
        """The identity provider and its mappers; a new one has none."""
        if record.state is ProviderState.RESERVED:
            new = merge.setting_up(desired)
            if await self.providers.create(new):
                return new, ()
        current = await self._find_ours(record.alias)
        return None if current is None else (current, await self.providers.mappers(record.alias))

    async def _find_ours(self, alias: Alias) -> Json | None:
        """What is there under the alias, if we made it; what is somebody else's is never touched."""
        current = await self.providers.find(alias)
        return current if current is not None and merge.is_ours(current, self.deployment.instance) else None

    async def _write_mapper(self, alias: Alias, mapper: Json) -> None:
        if "id" in mapper:
            await self.providers.replace_mapper(alias, mapper)
        else:
            await self.providers.create_mapper(alias, mapper)
