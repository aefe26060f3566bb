"""The command line `broker`: one module a command group."""

import typer

from broker import logs
from broker.cli import (
    accounts,
    audit,
    check,
    database,
    events,
    failures,
    installations,
    keys,
    logouts,
    realm,
    reconcile,
    serve,
    sign_ons,
)

# Tracebacks in plain text: rich's would print local variables, and among those are secrets.
app = typer.Typer(name="broker", no_args_is_help=True, pretty_exceptions_enable=False)
app.command("serve")(serve.serve)
app.command("check")(check.check)
app.add_typer(realm.app, name="realm")
app.command("reconcile")(reconcile.reconcile)
app.add_typer(events.app, name="events")
app.add_typer(installations.app, name="installations")
app.add_typer(accounts.app, name="accounts")
app.add_typer(failures.app, name="failures")
app.add_typer(keys.app, name="keys")
app.add_typer(database.app, name="database")
app.add_typer(sign_ons.app, name="sign-ons")
app.add_typer(logouts.app, name="logouts")
app.add_typer(audit.app, name="audit")


@app.callback()
def _broker() -> None:
    """The Talkdesk AppConnect broker for Keycloak.

    Settings are environment variables BROKER_…. Commands but `serve` and `check` open the database directly, also beside a running service.
    What changes something is on record (`broker audit list`); what can't be undone asks first (`--yes`: it does not).
    Exit codes: 0 done, 1 it could not be done, 2 the command or the settings are wrong, or don't fit the database.
    """


def main() -> None:
    """Entry point of the console script."""
    logs.configure_for_commands()
    app()
