"""`broker failures`: sign-ons that ended on the error page."""

from typing import Annotated

import typer

from broker.cli import options, output
from broker.cli.opening import fail, run
from broker.listing import FailureFilter
from broker.model.failure import Stage
from broker.storage.database import Database
from broker.storage.sql_failures import SqlFailures
from broker.storage.sql_task_lists import SqlFailureList
from broker.web.reference import as_written

app = typer.Typer(help="Sign-ons that failed, by the reference on the person's page.", no_args_is_help=True)

_COLUMNS = ("reference", "at", "stage", "reason", "installation", "hint", "upstream_status", "detail")


@app.command("list")
def list_failures(
    *,
    stage: Annotated[Stage | None, typer.Option(help="Where it stopped.")] = None,
    reason: Annotated[str | None, typer.Option(help="With this reason code.")] = None,
    installation: options.ByInstallation = None,
    since: options.Since = None,
    limit: options.Limit = 50,
    as_json: options.AsJson = False,
) -> None:
    """List failed sign-ons, newest first."""
    wanted = FailureFilter(stage.value if stage else None, reason, installation, since)

    async def work(database: Database) -> None:
        failures = SqlFailureList(database)
        pages = output.walk(lambda size, start: failures.page(wanted, size, start), limit)
        await output.print_list(pages, _COLUMNS, as_json=as_json)

    run(work)


@app.command()
def show(
    reference: Annotated[str, typer.Argument(metavar="REFERENCE", help="As the person's page shows it.")],
    as_json: options.AsJson = False,
) -> None:
    """Show one failed sign-on."""

    async def work(database: Database) -> None:
        failure = await SqlFailures(database).find(as_written(reference))
        if failure is None:
            fail(f"There is no failure {output.clean(reference)}.")
        output.print_one(output.shown(failure), as_json=as_json)

    run(work)
