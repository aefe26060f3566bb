"""`broker accounts preflight`: the first question of every enterprise, before anybody clicks: which of our people would get in?"""

from collections import Counter
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from broker.app import match_rules, talkdesk_hosts
from broker.cli import options, output
from broker.cli.opening import end, fail, run, sealer_or_exit, settings_or_exit, utc_now
from broker.errors import OutsideError
from broker.listing import InstallationFilter
from broker.model.installation import Installation
from broker.model.names import AccountId, InstallationId
from broker.model.pkce import random_value
from broker.outbound import http_client
from broker.provider.match import MatchUser
from broker.provider.preflight import Forecast, Preflight, with_rivals
from broker.realm.connection import RealmConnection
from broker.realm.users import KeycloakUsers
from broker.settings import ConfigFile, Settings, load
from broker.storage.database import Database
from broker.storage.sealing import Sealer
from broker.storage.sql_identity_providers import SqlProviderRecords
from broker.storage.sql_installations import SqlInstallations
from broker.storage.sql_listings import SqlAccountList, SqlInstallationList
from broker.talkdesk.apps import AppsApi
from broker.talkdesk.wire import Wire
from broker.web.languages import Languages

_COLUMNS = ("app", "user", "name", "email", "matches", "reason")
_MOST_INSTALLATIONS = 1000

Account = Annotated[str, typer.Argument(metavar="ACCOUNT", help="Talkdesk's id of the account.")]


def preflight(account: Account, as_json: options.AsJson = False) -> None:
    """Say of each Talkdesk user who is licensed in an account which Keycloak user a first click would sign on, or why none (USERS=existing).

    Asks Talkdesk for the account's licensed users, so an app has to be installed there already. Writes nothing: no link is made.
    """
    settings, config = settings_or_exit(load)
    if settings.users != "existing":
        end("USERS is own: everybody gets a Keycloak user of his own, and nobody has to match.", exit_code=2)
    if AccountId(account) not in match_rules(config):
        end(f"The account {output.clean(account)} is not in the configuration: nobody of it may sign on.", exit_code=2)
    sealer = sealer_or_exit()
    try:
        forecasts = run(lambda database: _ask(database, sealer, settings, config, AccountId(account)))
    except OutsideError as error:
        fail(f"{output.clean(str(error))}.")
    rows = [output.shown(each) for each in forecasts]
    if as_json:
        output.print_objects(rows)
        return
    output.print_table(rows, _COLUMNS)
    typer.echo(_summary(forecasts))


async def _ask(
    database: Database, sealer: Sealer, settings: Settings, config: ConfigFile, account: AccountId
) -> Sequence[Forecast]:
    installations = await _active(database, sealer, account)
    if not installations:
        fail(f"No app is installed in the account {output.clean(account)}, so Talkdesk can't be asked who is licensed.")
    secret = settings.keycloak_client_secret.get_secret_value()
    async with http_client() as to_talkdesk, http_client() as to_keycloak:
        connection = RealmConnection(
            settings.keycloak_base, settings.keycloak_realm, settings.keycloak_client_id, secret, to_keycloak
        )
        ask = Preflight(
            AppsApi(Wire(to_talkdesk, talkdesk_hosts(settings)), utc_now, random_value),
            MatchUser(KeycloakUsers(connection), SqlProviderRecords(database), match_rules(config)),
            await _user_id_source(database, account),
        )
        found: list[Forecast] = []
        with _progress() as progress:
            task = progress.add_task("people asked for", total=None)
            for installation in installations:
                async for page in ask(installation):
                    found.extend(page)
                    progress.advance(task, len(page))
    return with_rivals(found)


async def _active(database: Database, sealer: Sealer, account: AccountId) -> Sequence[Installation]:
    wanted = InstallationFilter(account=account, state="active")
    listed = await SqlInstallationList(database).page(wanted, _MOST_INSTALLATIONS)
    store = SqlInstallations(database, sealer)
    every = [await store.find(InstallationId(row.installation)) for row in listed.rows]
    return [each for each in every if each is not None and each.credentials is not None]


async def _user_id_source(database: Database, account: AccountId) -> str | None:
    """What a sign-on of the account has chosen."""
    row = await SqlAccountList(database).find(account)
    return row.user_id_source if row else None


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}"))
    return Progress(*columns, console=Console(stderr=True), transient=True)


def _summary(forecasts: Sequence[Forecast]) -> str:
    reasons = Counter(each.reason for each in forecasts if each.reason)
    matching = len(forecasts) - reasons.total()
    texts = Languages().choose(None)
    lines = [f"{matching} of {len(forecasts)} would get in."]
    lines += [f"{count} × {reason.value}: {texts.happened(reason)}" for reason, count in reasons.most_common()]
    return "\n".join(lines)
