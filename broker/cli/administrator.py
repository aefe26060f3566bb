"""The administrator's account at Keycloak, for one command: asked for, or from environment or a file; kept nowhere, never on the command line."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from broker.cli.opening import end
from broker.outbound import http_client
from broker.realm.administration import KeycloakAdministration
from broker.realm.connection import AdministratorConnection
from broker.realm.resources import Resources
from broker.settings import ADMIN_VARIABLES, PREFIX, Settings

USERNAME, PASSWORD, PASSWORD_FILE, REALM = (f"{PREFIX}{name}" for name in ADMIN_VARIABLES)

AdminUsername = Annotated[
    str | None,
    typer.Option("--admin-username", envvar=USERNAME, help="An administrator of the realm; asked for if missing."),
]
AdminRealm = Annotated[str, typer.Option("--admin-realm", envvar=REALM, help="The realm of that account.")]
AdminPasswordFile = Annotated[
    Path | None,
    typer.Option(
        "--admin-password-file",
        envvar=PASSWORD_FILE,
        help=f"A file with the password alone; else {PASSWORD}, else it is asked for.",
    ),
]


@dataclass(frozen=True)
class Administrator:
    """Who does it."""

    username: str
    password: str = field(repr=False)
    realm: str


def administrator(username: str | None, realm: str, password_file: Path | None) -> Administrator:
    """The account; ends the command where there is none."""
    name = username or typer.prompt("Keycloak administrator", err=True)
    return Administrator(str(name), _password(password_file), realm)


@asynccontextmanager
async def administration(settings: Settings, who: Administrator) -> AsyncIterator[KeycloakAdministration]:
    """The realm, for this administrator, who is signed out again at the end."""
    async with http_client() as client:
        connection = AdministratorConnection(
            settings.keycloak_base,
            settings.keycloak_realm,
            client,
            username=who.username,
            password=who.password,
            admin_realm=who.realm,
        )
        try:
            yield KeycloakAdministration(Resources(connection))
        finally:
            await connection.end_session()


def _password(file: Path | None) -> str:
    if file is not None:
        try:
            password = file.read_text("utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError):
            end(f"The password file {file} can't be read.", exit_code=2)
    else:
        password = os.environ.get(PASSWORD) or str(typer.prompt("Password", hide_input=True, err=True))
    if not password:
        end("The administrator's password is empty.", exit_code=2)
    return password
