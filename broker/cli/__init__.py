"""The command line `broker`: one module a command group."""

import typer

from broker.cli import serve

app = typer.Typer(name="broker", help="The Talkdesk AppConnect broker for Keycloak.", no_args_is_help=True)
app.command("serve")(serve.serve)


@app.callback()
def _broker() -> None:
    """The Talkdesk AppConnect broker for Keycloak."""


def main() -> None:
    """Entry point of the console script."""
    app()
