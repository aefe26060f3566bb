"""`broker reconcile`: makes the realm what the database says, now, and tells what was found."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from broker.app import Broker, open_broker
from broker.cli import options, output
from broker.cli.audit import run_audited
from broker.cli.opening import end, exit_code_of, fail, sealer_or_exit, settings_or_exit
from broker.cli.reconciled import Reconciled, print_plan
from broker.converge.reconcile import Plan
from broker.converge.turn import TurnLost, turn
from broker.errors import KeycloakError, StorageError
from broker.model.names import Alias, InstallationId
from broker.model.task import LastTry, TaskKind
from broker.settings import ConfigFile, Settings, load
from broker.storage.database import Database
from broker.worker import Worker

AT_ONCE = 8
"""Converges side by side."""
_LOOK_EVERY_S = 0.1
_KEYS = 200
_LEASES = 5
"""So many leases long another process is waited for."""

Full = Annotated[
    bool, typer.Option("--full", help="Look at mappers too: one request to Keycloak for each identity provider.")
]
DeleteOrphans = Annotated[
    bool,
    typer.Option("--delete-orphans", help="Delete identity providers with our mark and without installation; asks."),
]
MostOrphans = Annotated[
    int, typer.Option("--at-most", min=1, metavar="N", help="With more orphans than that, none is deleted.")
]


class _NotAll(Exception):
    """Some of it failed: so it is on record."""

    def __init__(self, outcome: Reconciled) -> None:
        super().__init__()
        self.outcome = outcome


def reconcile(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
    full: Full = False,
    delete_orphans: DeleteOrphans = False,
    at_most: MostOrphans = 20,
    yes: options.Yes = False,
    as_json: options.AsJson = False,
) -> None:
    """Compare every identity provider of the realm with its installation, and repair what differs.

    What is missing is made under a new alias, and fields that are ours get their values back. What is the administrator's stays; what is
    not ours is not touched. Works beside a running service and without one, one at a time.
    """
    settings, config = settings_or_exit(load)
    sealer_or_exit()  # sees that there is a database, of this version
    try:
        plan = asyncio.run(_plan(settings, config, is_full=full))
        if dry_run:
            print_plan(plan, None, as_json=as_json)
            return
        orphans = _orphans_to_delete(plan, at_most, yes=yes) if delete_orphans else ()
        outcome = _on_record(settings, config, plan, orphans)
    except (KeycloakError, TurnLost) as error:
        fail(f"The realm could not be reconciled: {error}. What was asked for so far goes on.")
    except StorageError as error:
        end(f"The database can't be used: {error}", exit_code=exit_code_of(error))
    print_plan(plan, outcome, as_json=as_json)
    if outcome.has_failed:
        raise typer.Exit(1)


async def _plan(settings: Settings, config: ConfigFile, *, is_full: bool) -> Plan:
    async with open_broker(settings, config) as broker, _our_turn(broker, is_all=False), _progress() as progress:
        total = await broker.stores.known_providers.count()
        realm = progress.add_task("looked at in the realm", total=None)
        database = progress.add_task("looked at in the database", total=total)

        async def step(providers: int, installations: int) -> None:
            progress.advance(realm, providers)
            progress.advance(database, installations)

        return await broker.reconcile.plan(is_full=is_full, step=step)


def _on_record(settings: Settings, config: ConfigFile, plan: Plan, orphans: Sequence[Alias]) -> Reconciled:
    """Carry the plan out, on record where it changes anything."""
    if not plan.to_converge and not orphans:
        return asyncio.run(_carry_out(settings, config, plan, orphans))

    async def work(_database: Database) -> Reconciled:
        outcome = await _carry_out(settings, config, plan, orphans)
        if outcome.has_failed:
            raise _NotAll(outcome)
        return outcome

    try:
        return run_audited(work, "reconcile", _about(plan, orphans))
    except _NotAll as some:
        return some.outcome


def _about(plan: Plan, orphans: Sequence[Alias]) -> str:
    """How many installations are put right, and which identity providers are deleted."""
    number = len(plan.to_converge)
    parts = [f"{number} installation{'' if number == 1 else 's'}"] if number else []
    return ", ".join([*parts, *(f"orphan {alias}" for alias in orphans)])


async def _carry_out(settings: Settings, config: ConfigFile, plan: Plan, orphans: Sequence[Alias]) -> Reconciled:
    """What the plan says, no more. Killed in between, the service or the next reconcile does the rest."""
    outcome = Reconciled()
    async with open_broker(settings, config) as broker, _our_turn(broker, is_all=True), _progress() as progress:
        await broker.reconcile.ask_for_repairs(plan)
        outcome.tried = await _converged(broker, plan.to_converge, progress)
        if orphans:
            deleting = progress.add_task("orphans deleted", total=len(orphans))
            for alias in orphans:
                if await broker.reconcile.delete_orphan(alias):
                    outcome.deleted.add(alias)
                progress.advance(deleting)
    return outcome


async def _converged(
    broker: Broker, installations: Sequence[InstallationId], progress: Progress
) -> dict[InstallationId, LastTry]:
    """Wait until each was tried, by us or by the service; what became of those that come again."""
    # Converges only: what is owed to Talkdesk is the service's.
    worker = Worker(
        broker.stores.tasks,
        {TaskKind.CONVERGE: broker.converge},
        broker.owner,
        lease=broker.worker.lease,
        places={TaskKind.CONVERGE: AT_ONCE},
    )
    doing = progress.add_task("put right", total=len(installations))
    left, tried = list(installations), dict[InstallationId, LastTry]()
    working = asyncio.create_task(worker.run())
    try:
        while left:
            some = left[:_KEYS]
            open_ones = await broker.stores.tasks.unfinished(TaskKind.CONVERGE, some)
            tried |= {each: last for each in some if (last := open_ones.get(each)) is not None}
            untried = [each for each in some if each in open_ones and open_ones[each] is None]
            progress.advance(doing, len(some) - len(untried))
            left = untried + left[_KEYS:]
            if untried:
                await asyncio.sleep(_LOOK_EVERY_S)
    finally:
        worker.stop()
        await working
    return tried


@asynccontextmanager
async def _our_turn(broker: Broker, *, is_all: bool) -> AsyncIterator[None]:
    """Ours as soon as nobody else is at it; a killed one's lease runs out."""
    lease = broker.worker.lease
    until = time.monotonic() + _LEASES * lease.total_seconds()
    is_said = False
    while True:
        async with turn(broker.stores.turns, broker.owner, lease, is_all=is_all) as ours:
            if ours is not None:
                yield
                return
        if not is_said:
            typer.echo("Another process reconciles just now; waiting for it.", err=True)
            is_said = True
        if time.monotonic() > until:
            fail("Another process reconciles, and did not come to its end.")
        await asyncio.sleep(_LOOK_EVERY_S)


@asynccontextmanager
async def _progress() -> AsyncIterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        yield progress


def _orphans_to_delete(plan: Plan, at_most: int, *, yes: bool) -> Sequence[Alias]:
    orphans = plan.orphans
    if len(orphans) > at_most:
        fail(
            f"There are {len(orphans)} orphans, and not more than {at_most} are deleted at a time (--at-most). So many may mean that this "
            "database is an old one. Nothing was changed."
        )
    if orphans and not yes:
        for alias in orphans:
            typer.echo(f"  {output.clean(alias)}", err=True)
        one = len(orphans) == 1
        typer.confirm(
            f"Delete {'this identity provider' if one else f'these {len(orphans)} identity providers'}? People who are signed on through "
            f"{'it' if one else 'them'} are out of Keycloak at once, and no app is told.",
            abort=True,
            err=True,
        )
    return orphans
