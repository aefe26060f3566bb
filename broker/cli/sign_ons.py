"""`broker sign-ons`: who is signed on, and how an operator ends it."""

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from broker.cli import options, output
from broker.cli.audit import run_audited
from broker.cli.opening import fail, run, sealer_or_exit, utc_now
from broker.listing import EventFilter, SignedOn, SignOnFilter
from broker.model.event import Event, EventKey, EventState
from broker.model.facts import LoggedOut
from broker.model.names import AccountId, AppId, EventId, InstallationId, TalkdeskUserId
from broker.model.task import TaskKind
from broker.storage.database import Database
from broker.storage.sealing import Sealer
from broker.storage.sql_events import SqlEvents
from broker.storage.sql_listings import SqlEventList
from broker.storage.sql_logout_lists import SqlSignOnList
from broker.storage.sql_logouts import SqlLogouts

app = typer.Typer(help="Sign-ons: who is signed on through which installation.", no_args_is_help=True)

ENDED = "operator.ended"
"""Type of the event that stands for an operator's sign-out of people."""

_COLUMNS = ("created_at", "account", "user", "installation", "state", "ended_at", "logout", "told_status")
_AT_ONCE = 20
"""People in one event: so many steps has the progress of a few hundred."""
_LOOK_EVERY_S = 0.2
_RECENT = 50


@app.command("list")
def list_sign_ons(
    *,
    account: options.ByAccount = None,
    user: options.ByUser = None,
    installation: options.ByInstallation = None,
    live: Annotated[bool, typer.Option("--live", help="Only those that have not ended.")] = False,
    limit: options.Limit = 50,
    as_json: options.AsJson = False,
) -> None:
    """List sign-ons, newest first."""
    wanted = SignOnFilter(account, user, installation, only_live=live)

    async def work(database: Database) -> None:
        sign_ons = SqlSignOnList(database)
        pages = output.walk(lambda size, start: sign_ons.page(wanted, size, start), limit)
        await output.print_list(pages, _COLUMNS, as_json=as_json)

    run(work)


@app.command()
def end(
    *,
    account: options.ByAccount = None,
    user: options.ByUser = None,
    installation: options.ByInstallation = None,
    wait_s: Annotated[
        int, typer.Option("--wait", min=0, help="Seconds to wait until the running service has done it; 0: don't.")
    ] = 60,
    yes: options.Yes = False,
) -> None:
    """Sign people out: a user (with --account), everybody who signed on through an installation, or everybody of an account.

    Whoever it is, is signed out of all apps of the account: one session in Keycloak serves all of them. They may sign on again at once.
    """
    if account is None and installation is None:
        raise typer.BadParameter("say whose: --account, --installation, or --user with one of the two")
    sealer = sealer_or_exit()
    wanted = SignOnFilter(account, user, installation)
    people = run(lambda database: SqlSignOnList(database).people(wanted))
    if not people:
        fail("Nobody of that description is signed on.")
    if not yes:
        typer.confirm(f"Sign {len(people)} {'person' if len(people) == 1 else 'people'} out of every app?", abort=True)
    named = {"account": account, "installation": installation, "user": user}
    about = ", ".join(f"{name} {value}" for name, value in named.items() if value)
    left = run_audited(
        lambda database: _end(database, sealer, people, wait_s), "sign-ons end", f"{about}: {len(people)} people"
    )
    typer.echo(
        f"Signed out: {len(people) - left} of {len(people)}." + (" The running service goes on." if left else "")
    )


async def _end(database: Database, sealer: Sealer, people: Sequence[SignedOn], wait_s: int) -> int:
    """Ask for it, and wait for the service; how many are left."""
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), console=Console(stderr=True)
    ) as progress:
        asked_for = {}
        asking = progress.add_task("asked for", total=len(people))
        events = SqlEvents(database, sealer, utc_now)
        for _, same in groupby(sorted(people, key=_event_of), key=_event_of):
            every = list(same)
            for start in range(0, len(every), _AT_ONCE):
                some = every[start : start + _AT_ONCE]
                asked_for[await _state(events, database, some)] = len(some)
                progress.advance(asking, len(some))
        if not wait_s:
            return len(people)
        doing = progress.add_task("signed out", total=len(people))
        return await _wait(SqlLogouts(database), asked_for, wait_s, lambda done: progress.advance(doing, done))


async def _state(events: SqlEvents, database: Database, people: Sequence[SignedOn]) -> str:
    """A fact like any other, so that all that follows from a sign-out follows from this one; the number of its event."""
    now, first = utc_now(), people[0]
    installation, account = InstallationId(first.installation), AccountId(first.account)
    event_id = EventId(f"ended-{secrets.token_hex(8)}")
    key = EventKey(event_id, AppId(first.app), ENDED, installation)
    # Talkdesk's clock may be ahead of ours: what it saw begin is meant too.
    facts = [
        LoggedOut(installation, account, TalkdeskUserId(each.user), None, max(now, each.begun_at)) for each in people
    ]
    await events.receive(Event(key, account, now, EventState.TAKEN, b"{}"), facts, [TaskKind.SIGN_OUT])
    stated = await SqlEventList(database).page(EventFilter(type=ENDED, installation=installation), _RECENT)
    return next(str(row.number) for row in stated.rows if row.event == event_id)


async def _wait(logouts: SqlLogouts, asked_for: Mapping[str, int], wait_s: int, advance: Callable[[int], None]) -> int:
    """How many people are left when the time is over."""
    left = dict(asked_for)
    until = time.monotonic() + wait_s
    while left and time.monotonic() < until:
        for event in list(left):
            if await logouts.are_done(event):
                advance(left.pop(event))
        if left:
            await asyncio.sleep(_LOOK_EVERY_S)
    return sum(left.values())


def _event_of(person: SignedOn) -> tuple[str, str, str]:
    """An event is of one installation."""
    return person.installation, person.account, person.app
