"""`broker events`: what Talkdesk told us, and what became of it. No body is ever printed."""

from dataclasses import asdict
from typing import Annotated

import typer

from broker.app import event_owners, event_parser, talkdesk_hosts
from broker.cli import options, output
from broker.cli.audit import run_audited
from broker.cli.opening import fail, run, sealer_or_exit, settings_or_exit, utc_now
from broker.errors import EventRefused
from broker.events.replay import Replay, ReplayRefused
from broker.listing import EventFilter, EventRow
from broker.model.event import EventState
from broker.model.task import Task
from broker.settings import load_event_settings
from broker.storage.database import Database
from broker.storage.sql_events import SqlEvents
from broker.storage.sql_listings import SqlEventList
from broker.storage.sql_task_lists import SqlTaskList
from broker.storage.sql_tasks import SqlTasks

app = typer.Typer(help="Events from Talkdesk: what came, and what became of it.", no_args_is_help=True)

_COLUMNS = ("number", "received_at", "type", "account", "installation", "state", "answer")
_TASK_COLUMNS = ("kind", "key", "state", "due_at", "attempts", "error")

Number = Annotated[int, typer.Argument(metavar="NUMBER", help="Number of the event, as `events list` shows it.")]


@app.command("list")
def list_events(
    *,
    event_type: Annotated[str | None, typer.Option("--type", help="Of this type, such as app.installed.")] = None,
    state: Annotated[EventState | None, typer.Option(help="In this state.")] = None,
    installation: options.ByInstallation = None,
    account: options.ByAccount = None,
    app_id: options.ByApp = None,
    since: options.Since = None,
    unanswered: Annotated[bool, typer.Option("--unanswered", help="Only where Talkdesk waits for an answer.")] = False,
    limit: options.Limit = 50,
    as_json: options.AsJson = False,
) -> None:
    """List events, newest first."""
    wanted = EventFilter(
        type=event_type,
        state=state.value if state else None,
        installation=installation,
        account=account,
        app=app_id,
        since=since,
        only_unanswered=unanswered,
    )

    async def work(database: Database) -> None:
        events = SqlEventList(database)
        pages = output.walk(lambda size, start: events.page(wanted, size, start), limit)
        await output.print_list(pages, _COLUMNS, as_json=as_json)

    run(work)


@app.command()
def show(number: Number, as_json: options.AsJson = False) -> None:
    """Show one event with the tasks that follow from it; of its body only whether it is kept."""

    async def work(database: Database) -> None:
        event = await _find(database, number)
        tasks = [output.shown(task) for task in await SqlTaskList(database).of_event(number)]
        row = {**output.shown(event), "tasks": tasks}
        output.print_one(row, as_json=as_json, tables={"tasks": _TASK_COLUMNS})

    run(work)


@app.command()
def retry(number: Number, as_json: options.AsJson = False) -> None:
    """Ask again for what follows from an event, also where it was given up; the running service does it.

    Redoing it is harmless. An event that was kept and not taken (unreadable, or of a type that was unknown) is read anew first: after an
    upgrade, or when the list of Talkdesk's hosts was extended. Only that needs the sealing keys and the settings for events.
    """
    event = run(lambda database: _find(database, number))
    if event.state != EventState.TAKEN:
        _replay(number)
    asked_for = run_audited(lambda database: _ask_again(database, number), "events retry", f"event {number}")
    if as_json:
        output.print_objects([asdict(task) for task in asked_for])
        return
    for task in asked_for:
        typer.echo(f"Asked for: {task.kind.value} {output.clean(task.key)}")


async def _ask_again(database: Database, number: int) -> list[Task]:
    following = list(await SqlTaskList(database).following(number))
    if not following:
        fail(f"Nothing is left to be done for event {number}.")
    tasks = SqlTasks(database)
    for task in following:
        await tasks.enqueue(task)
    return following


def _replay(number: int) -> None:
    """Read a kept event anew; ends the command where it is not taken this time either."""
    sealer = sealer_or_exit()
    settings, config = settings_or_exit(load_event_settings)
    parser, owners = event_parser(talkdesk_hosts(settings), config), event_owners(settings, config)

    async def work(database: Database) -> EventState:
        # The service finds its tasks by itself.
        return await Replay(SqlEvents(database, sealer, utc_now), parser, owners, lambda: None)(str(number))

    try:
        state = run_audited(work, "events retry", f"event {number}, read anew")
    except (ReplayRefused, EventRefused) as refused:
        fail(f"Event {number} can't be taken: {output.clean(str(refused))}.")
    if state is not EventState.TAKEN:
        fail(f"Event {number} was read anew, and is still: {state.value}.")


async def _find(database: Database, number: int) -> EventRow:
    event = await SqlEventList(database).find(number)
    if event is None:
        fail(f"There is no event {number}.")
    return event
