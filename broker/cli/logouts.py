"""`broker logouts`: who was signed out, and which app has confirmed it. No token is ever printed."""

from enum import StrEnum
from typing import Annotated

import typer

from broker.cli import options, output
from broker.cli.opening import fail, run
from broker.listing import DeliveryFilter, DeliveryRow, LogoutFilter, Page, SignOnFilter
from broker.model.delivery import DeliveryState
from broker.storage.database import Database
from broker.storage.sql_logout_lists import SqlLogoutList, SqlSignOnList

app = typer.Typer(help="Sign-outs: whose, why, and which app has confirmed.", no_args_is_help=True)

_COLUMNS = (
    "number", "asked_at", "cause", "account", "user", "state", "sign_ons", "confirmed", "open", "undelivered", "completed_at",
)  # fmt: skip
_SIGN_ON_COLUMNS = ("sign_on", "user", "installation", "begun_at", "ended_at", "told_at", "told_status")
_DELIVERY_COLUMNS = (
    "number", "relay", "state", "attempts", "answer", "received_at", "settled_at", "logout", "keycloak_session",
)  # fmt: skip
_MOST = 500
"""Most sign-ons and deliveries of one sign-out that are shown."""


class State(StrEnum):
    """States of a sign-out."""

    OPEN = "open"
    DELIVERING = "delivering"
    UNDELIVERED = "undelivered"
    DONE = "done"


@app.command("list")
def list_logouts(
    *,
    account: options.ByAccount = None,
    user: options.ByUser = None,
    installation: options.ByInstallation = None,
    state: Annotated[State | None, typer.Option(help="In this state.")] = None,
    since: options.Since = None,
    limit: options.Limit = 50,
    as_json: options.AsJson = False,
) -> None:
    """List sign-outs, newest first."""
    wanted = LogoutFilter(account, user, installation, state.value if state else None, since)

    async def work(database: Database) -> None:
        logouts = SqlLogoutList(database)
        pages = output.walk(lambda size, start: logouts.page(wanted, size, start), limit)
        await output.print_list(pages, _COLUMNS, as_json=as_json)

    run(work)


@app.command()
def show(
    number: Annotated[
        int, typer.Argument(metavar="NUMBER", help="Number of the sign-out, as `logouts list` shows it.")
    ],
    as_json: options.AsJson = False,
) -> None:
    """Show one sign-out with the sign-ons that it ended and what each app answered."""

    async def work(database: Database) -> None:
        logouts = SqlLogoutList(database)
        found = await logouts.find(number)
        if found is None:
            fail(f"There is no sign-out {number}.")
        sign_ons = await SqlSignOnList(database).page(SignOnFilter(logout=number), _MOST)
        deliveries: Page[DeliveryRow] = await logouts.deliveries(DeliveryFilter(logout=number), _MOST)
        row = {
            **output.shown(found),
            "sessions": [output.shown(each) for each in sign_ons.rows],
            "deliveries": [output.shown(each) for each in deliveries.rows],
        }
        output.print_one(row, as_json=as_json, tables={"sessions": _SIGN_ON_COLUMNS, "deliveries": _DELIVERY_COLUMNS})

    run(work)


@app.command()
def deliveries(
    *,
    relay: Annotated[str | None, typer.Option(metavar="SLUG", help="Of this app, by its relay.")] = None,
    state: Annotated[DeliveryState | None, typer.Option(help="In this state.")] = None,
    since: options.Since = None,
    limit: options.Limit = 50,
    as_json: options.AsJson = False,
) -> None:
    """List logout tokens for apps, newest first; also those of sessions that an app or an administrator ended in Keycloak."""
    wanted = DeliveryFilter(relay, state.value if state else None, since=since)

    async def work(database: Database) -> None:
        logouts = SqlLogoutList(database)
        pages = output.walk(lambda size, start: logouts.deliveries(wanted, size, start), limit)
        await output.print_list(pages, _DELIVERY_COLUMNS, as_json=as_json)

    run(work)
