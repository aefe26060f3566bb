"""Reconcile: looks at every identity provider of the realm and at every installation, and asks for a converge where they don't agree.

Owns: reading both, page by page; what was found; deleting orphans, and when that is refused.
Leaves to others: what a finding is (`findings`), the repair (`provision`, by the task `converge`), whose turn it is (`turn`).

Reading costs the realm one request a page. What is not in any page is asked for by name before it counts as missing: pages shift
while others make and delete. Of all that, only findings and names of identity providers are kept in memory.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from broker.converge.desired import desired_mapper
from broker.converge.findings import Finding, FindingKind, Judge, mapper_changes
from broker.errors import KeycloakError
from broker.model.identity_provider import KnownProvider
from broker.model.names import Alias, InstallationId
from broker.model.task import TaskKind
from broker.ports import Clock, IdentityProviders, Json, KnownProviders, Repairs, Tasks

PAGE = 200
AT_ONCE = 8
"""Requests to Keycloak side by side, where each identity provider needs one of its own."""


@dataclass
class Plan:
    """What was found; carried out as it stands."""

    providers: int = 0
    """Identity providers of ours that were looked at."""
    installations: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def to_converge(self) -> Sequence[InstallationId]:
        """Installations whose converge mends something, each once."""
        return list(dict.fromkeys(each.installation for each in self.findings if each.is_mended and each.installation))

    @property
    def orphans(self) -> Sequence[Alias]:
        """What has our mark and nobody."""
        return [each.alias for each in self.findings if each.kind is FindingKind.ORPHAN and each.alias]


Step = Callable[[int, int], Awaitable[None]]
"""Told after each page how many identity providers and installations were looked at in it; may raise, to end it."""


async def _nothing(_providers: int, _installations: int) -> None:
    pass


@dataclass(frozen=True)
class Reconcile:
    """Finds, asks, and deletes what a person has said is to be deleted."""

    providers: IdentityProviders
    known: KnownProviders
    repairs: Repairs
    tasks: Tasks
    judge: Judge
    now: Clock

    async def plan(self, *, is_full: bool = False, step: Step = _nothing) -> Plan:
        """Look at everything; `is_full`: at mappers too, which costs a request each. Changes nothing. Raises KeycloakError."""
        plan = Plan()
        seen: set[str] = set()
        async for page in self._pages():
            seen.update(current["alias"] for current in page)
            plan.findings += await self._judged(page, is_full)
            looked_at = sum(map(self.judge.is_ours, page))
            plan.providers += looked_at
            await step(looked_at, 0)
        await self._look_for_the_missing(plan, seen, is_full, step)
        return plan

    async def ask_for_repairs(self, plan: Plan) -> None:
        """A converge for each installation that needs one: it outlives us."""
        await self.tasks.enqueue_all(TaskKind.CONVERGE, plan.to_converge)

    async def delete_orphan(self, alias: Alias) -> bool:
        """Delete it, if it still is one; its sessions die with it, and no app is told. Raises KeycloakError."""
        current = await self.providers.find(alias)
        if current is None:
            return False
        known = (await self.known.by_alias([alias])).get(alias)
        is_orphan = any(
            each.kind is FindingKind.ORPHAN
            for each in self.judge.findings(current, known, changed=frozenset(), contested=frozenset())
        )
        if is_orphan:
            await self.providers.delete(alias)
        return is_orphan

    async def _pages(self) -> AsyncIterator[Sequence[Json]]:
        """Each page is asked for while the one before it is judged."""
        first = 0
        coming: asyncio.Task[Sequence[Json]] | None = self._ask_for(first)
        try:
            while coming is not None:
                page = await coming
                first += len(page)
                coming = self._ask_for(first) if len(page) == PAGE else None
                yield page
        finally:
            if coming is not None:
                coming.cancel()

    def _ask_for(self, first: int) -> "asyncio.Task[Sequence[Json]]":
        async def fetch() -> Sequence[Json]:
            return await self.providers.page(first, PAGE)

        return asyncio.create_task(fetch())

    async def _judged(self, page: Sequence[Json], is_full: bool) -> Sequence[Finding]:
        known = await self.known.by_alias([Alias(current["alias"]) for current in page])
        changed = {
            current["alias"]: self.judge.changes(current, about)
            for current in page
            if (about := known.get(current["alias"])) is not None
        }
        if is_full:
            await self._add_mappers(page, known, changed)
        contested = await self._contested(alias for alias, fields in changed.items() if fields)
        nothing: frozenset[str] = frozenset()
        return [
            finding
            for current in page
            for finding in self.judge.findings(
                current,
                known.get(current["alias"]),
                changed.get(current["alias"], nothing),
                contested.get(current["alias"], nothing),
            )
        ]

    async def _add_mappers(
        self, page: Sequence[Json], known: Mapping[Alias, KnownProvider], changed: dict[Alias, frozenset[str]]
    ) -> None:
        places = asyncio.Semaphore(AT_ONCE)

        async def look(alias: Alias) -> None:
            async with places:
                try:
                    mappers = await self.providers.mappers(alias)
                except KeycloakError as error:
                    if error.status == 404:  # deleted since its page was read: the next reconcile finds that
                        return
                    raise
            changed[alias] |= mapper_changes(mappers, desired_mapper(alias))

        aliases = [Alias(each["alias"]) for each in page]
        live = [
            alias
            for alias, current in zip(aliases, page, strict=True)
            if (about := known.get(alias)) is not None and self.judge.is_live(current, about)
        ]
        await asyncio.gather(*map(look, live))

    async def _contested(self, aliases: Iterable[Alias]) -> Mapping[Alias, frozenset[str]]:
        asked = list(aliases)
        return await self.repairs.contested(asked, self.now()) if asked else {}

    async def _look_for_the_missing(self, plan: Plan, seen: set[str], is_full: bool, step: Step) -> None:
        last: InstallationId | None = None
        while page := await self.known.page(PAGE, last):
            last = page[-1][0]
            unseen = await self._unseen([installation for installation, alias in page if alias not in seen])
            for start in range(0, len(unseen), AT_ONCE):
                found = await asyncio.gather(*(self._find(*each) for each in unseen[start : start + AT_ONCE]))
                plan.findings += [each for each in found if isinstance(each, Finding)]
                plan.findings += await self._judged([each for each in found if not isinstance(each, Finding)], is_full)
            plan.installations += len(page)
            await step(0, len(page))

    async def _unseen(self, installations: Sequence[InstallationId]) -> Sequence[tuple[InstallationId, KnownProvider]]:
        """Those that are to have an identity provider."""
        known = await self.known.newest(installations) if installations else {}
        return [(installation, about) for installation, about in known.items() if self.judge.should_be(about)]

    async def _find(self, installation: InstallationId, about: KnownProvider) -> Json | Finding:
        """The identity provider that slipped through between two pages; a finding, where it is missing."""
        if about.record is None:
            return Finding(FindingKind.MISSING, None, installation, "never made")
        alias = about.record.alias
        return await self.providers.find(alias) or Finding(FindingKind.MISSING, alias, installation, about.record.state)
