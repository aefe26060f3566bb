"""`broker installations`: which apps are installed in which accounts, and what is to be done about one that is gone."""

import secrets
from datetime import datetime
from enum import StrEnum
from typing import Annotated

import typer

from broker.cli import options, output
from broker.cli.audit import run_audited
from broker.cli.opening import fail, run, sealer_or_exit, utc_now
from broker.listing import InstallationFilter, InstallationRow
from broker.model.event import Event, EventKey, EventState
from broker.model.facts import Uninstalled
from broker.model.names import AccountId, AppId, EventId, InstallationId
from broker.model.task import Task, TaskKind
from broker.storage.database import Database
from broker.storage.sealing import Sealer
from broker.storage.sql_events import SqlEvents
from broker.storage.sql_identity_providers import SqlProviderRecords
from broker.storage.sql_installations import SqlInstallations
from broker.storage.sql_listings import SqlInstallationList
from broker.storage.sql_task_lists import SqlTaskList
from broker.storage.sql_tasks import SqlTasks

app = typer.Typer(help="Installations: one app in one Talkdesk account each.", no_args_is_help=True)

FORGOTTEN = "operator.forgot"
"""Type of the event that stands for an uninstall which the operator states in Talkdesk's place."""

_COLUMNS = (
    "installation",
    "account",
    "account_name",
    "app",
    "state",
    "changed_at",
    "identity_provider",
    "alias",
    "suspect_since",
)
_TABLES = {
    "tasks": ("kind", "key", "state", "due_at", "attempts", "error"),
    "identity_providers": ("generation", "alias", "state"),
}

Id = Annotated[str, typer.Argument(metavar="ID", help="Talkdesk's id of the installation.")]


class State(StrEnum):
    """States of an installation."""

    ACTIVE = "active"
    UNINSTALLED = "uninstalled"
    SUSPENDED = "suspended"
    TRIAL_EXPIRED = "trial expired"
    ONLY_HEARD_OF = "only heard of"


@app.command("list")
def list_installations(
    *,
    account: options.ByAccount = None,
    app_id: options.ByApp = None,
    state: Annotated[State | None, typer.Option(help="In this state.")] = None,
    suspect: Annotated[bool, typer.Option("--suspect", help="Only where Talkdesk refuses the credentials.")] = False,
    limit: options.Limit = 50,
    as_json: options.AsJson = False,
) -> None:
    """List installations, by id."""
    wanted = InstallationFilter(account, app_id, state.value if state else None, suspect)

    async def work(database: Database) -> None:
        installations = SqlInstallationList(database)
        pages = output.walk(lambda size, start: installations.page(wanted, size, start), limit)
        await output.print_list(pages, _COLUMNS, as_json=as_json)

    run(work)


@app.command()
def show(installation: Id, as_json: options.AsJson = False) -> None:
    """Show one installation with its identity providers and tasks; of its credentials only whether they are kept."""

    async def work(database: Database) -> None:
        found = await _find(database, installation)
        providers = await SqlProviderRecords(database).used(InstallationId(installation))
        tasks = await SqlTaskList(database).of_installation(installation)
        row = {
            **output.shown(found),
            "identity_providers": [output.shown(provider) for provider in providers],
            "tasks": [output.shown(task) for task in tasks],
        }
        output.print_one(row, as_json=as_json, tables=_TABLES)

    run(work)


@app.command()
def suspend(installation: Id, yes: options.Yes = False) -> None:
    """Close an installation until it is resumed: everybody of its account is signed out, and nobody signs on through it."""
    sealer = sealer_or_exit()
    found = run(lambda database: _find(database, installation))
    if not yes:
        name = output.clean(found.account_name or found.account)
        typer.confirm(
            f"Suspend installation {output.clean(installation)} of {name}, and sign everybody there out?", abort=True
        )
    run_audited(
        lambda database: SqlInstallations(database, sealer).suspend(InstallationId(installation), utc_now()),
        "installations suspend",
        installation,
    )
    typer.echo("It is closed. The running service signs its people out.")


@app.command()
def resume(installation: Id) -> None:
    """Open an installation again that was suspended, by an operator or because its trial expired."""
    sealer = sealer_or_exit()
    run(lambda database: _find(database, installation))
    run_audited(
        lambda database: SqlInstallations(database, sealer).resume(InstallationId(installation), utc_now()),
        "installations resume",
        installation,
    )
    typer.echo("It is open, unless it is uninstalled. The running service sets up its identity provider.")


@app.command()
def forget(
    installation: Id,
    uninstall_was_lost: Annotated[
        bool,
        typer.Option(
            "--uninstall-was-lost",
            help="Also where it counts as installed: Talkdesk has it no more, and its app.uninstalled never came.",
        ),
    ] = False,
    yes: options.Yes = False,
) -> None:
    """Let go of an installation that is gone for good.

    Its credentials, and the kept bodies of its events, are erased at once. The running service then signs everybody of the account
    out and deletes the identity provider, if it is ours. What stays: that it was uninstalled, so that a late event opens nothing,
    and which aliases were used, so that none is used twice.
    """
    sealer = sealer_or_exit()
    found = run(lambda database: _find(database, installation))
    if found.state in (State.ACTIVE, State.SUSPENDED, State.TRIAL_EXPIRED) and not uninstall_was_lost:
        fail(
            f"Installation {output.clean(installation)} is {found.state}. Uninstall the app in Talkdesk; if Talkdesk has it no more and "
            "its app.uninstalled was lost, say so with --uninstall-was-lost."
        )
    if not yes:
        name = output.clean(found.account_name or found.account)
        typer.confirm(f"Forget installation {output.clean(installation)} of {name}? It can't be undone.", abort=True)
    about = f"{installation} (its uninstall was lost)" if uninstall_was_lost else installation
    run_audited(lambda database: _forget(database, sealer, found), "installations forget", about)
    typer.echo(
        "Its credentials are erased. The running service signs its people out and deletes its identity provider."
    )


async def _forget(database: Database, sealer: Sealer, found: InstallationRow) -> None:
    """Each step can be the last one before a crash; done again, the rest is done."""
    installation = InstallationId(found.installation)
    # Talkdesk's clock may be ahead of ours: what it said last is over too.
    now = max(utc_now(), found.changed_at or utc_now())
    if found.state == State.UNINSTALLED:
        await SqlTasks(database).enqueue(Task(TaskKind.CONVERGE, installation))
    else:
        await _state_uninstall(SqlEvents(database, sealer, utc_now), found, now)
    await SqlInstallations(database, sealer).erase_credentials(installation, up_to=now)


async def _state_uninstall(events: SqlEvents, found: InstallationRow, now: datetime) -> None:
    """A fact like any other, so that whatever follows from an uninstall follows from this one."""
    installation, app_id, account = InstallationId(found.installation), AppId(found.app), AccountId(found.account)
    key = EventKey(EventId(f"forgot-{secrets.token_hex(8)}"), app_id, FORGOTTEN, installation)
    event = Event(key, account, now, EventState.TAKEN, b"{}")
    await events.receive(event, [Uninstalled(installation, app_id, account, now)], [TaskKind.CONVERGE])


async def _find(database: Database, installation: str) -> InstallationRow:
    found = await SqlInstallationList(database).find(installation)
    if found is None:
        fail(f"Nothing was ever heard of an installation {output.clean(installation)}.")
    return found
