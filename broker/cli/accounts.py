"""`broker accounts`: Talkdesk accounts of which an installation was heard."""

import typer

from broker.cli import options, output, preflight
from broker.cli.opening import run
from broker.storage.database import Database
from broker.storage.sql_listings import SqlAccountList

app = typer.Typer(help="Talkdesk accounts.", no_args_is_help=True)

_COLUMNS = ("account", "account_name", "installations", "active", "apps", "user_id_source")


@app.callback()
def _accounts() -> None:
    """Talkdesk accounts."""


app.command("preflight")(preflight.preflight)


@app.command("list")
def list_accounts(limit: options.Limit = 50, as_json: options.AsJson = False) -> None:
    """List accounts, by id, with the apps that are active there."""

    async def work(database: Database) -> None:
        pages = output.walk(SqlAccountList(database).page, limit)
        await output.print_list(pages, _COLUMNS, as_json=as_json)

    run(work)
