"""All lines of `broker check`, in the order in which they are printed. Nothing is changed but one value that is written to see that it is kept."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import httpx

from broker.app import keycloak_of, talkdesk_hosts
from broker.check.database import DatabaseLines
from broker.check.finding import Finding, wrong
from broker.check.here import PublicAddress, configuration
from broker.check.keycloak import KeycloakLines
from broker.check.realm_plan import PlanRealm
from broker.check.talkdesk import TalkdeskLines, resolve
from broker.errors import SealError, StorageError
from broker.listing import InstallationFilter
from broker.model.names import InstallationId, slug_of
from broker.outbound import http_client
from broker.ports import Clock
from broker.realm.connection import RealmConnection
from broker.realm.inspection import RealmInspection
from broker.settings import ConfigFile, Settings
from broker.storage.database import Database, open_database
from broker.storage.sealing import Sealer
from broker.storage.sealing_keys import MADE_FILE, load_keys
from broker.storage.sql_issuer_keys import SqlIssuerKeys
from broker.storage.sql_listings import SqlInstallationList

_SQLITE = "sqlite:///"
_LOOKED_AT = 50


async def look(
    settings: Settings, config: ConfigFile, now: Clock, plan_realm: PlanRealm | None = None
) -> Sequence[Finding]:
    """Every line. `plan_realm`: where an administrator's account is at hand."""
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(http_client())
        database, of_database = await _open(settings, stack, now)
        groups = await asyncio.gather(
            _of_us(settings, database, client),
            _of_keycloak(settings, database, client, now, plan_realm),
            _of_talkdesk(settings, client, now),
        )
        return [configuration(settings, config), *of_database, *(line for group in groups for line in group)]


async def _open(settings: Settings, stack: AsyncExitStack, now: Clock) -> tuple[Database | None, Sequence[Finding]]:
    """The database, where it can be used, and the lines about it."""
    url = settings.database.get_secret_value()
    file = Path(url.removeprefix(_SQLITE)) if url.startswith(_SQLITE) else None
    # Opened, it would be made.
    if file and not file.exists():
        text = f"there is no database at {file}"
        return None, [wrong("database", text, "mend BROKER_DATA_DIR; the first start of `broker serve` makes it")]
    try:
        database = open_database(url)
    except StorageError as error:
        return None, [wrong("database", str(error), "mend BROKER_DATABASE_URL")]
    stack.push_async_callback(database.close)
    lines = await DatabaseLines(database, lambda: _sealer(settings), file.parent if file else None, now).all()
    return (None if lines[0].mend else database), lines


def _sealer(settings: Settings) -> Sealer:
    """The keys that are given; a command makes none. Raises SealError."""
    given = settings.sealing_keys
    made = settings.data_dir / MADE_FILE
    text = given.get_secret_value() if given else None
    return load_keys(text=text, file=settings.sealing_keys_file or (made if text is None and made.exists() else None))


async def _of_us(settings: Settings, database: Database | None, client: httpx.AsyncClient) -> Sequence[Finding]:
    if database is None:
        return []
    try:
        keys = SqlIssuerKeys(database, _sealer(settings))
        return [await PublicAddress(settings.public_url, keys, client).line()]
    except SealError:
        return []  # the line about the keys says so


async def _of_keycloak(
    settings: Settings,
    database: Database | None,
    client: httpx.AsyncClient,
    now: Clock,
    plan_realm: PlanRealm | None,
) -> Sequence[Finding]:
    keycloak = keycloak_of(settings, client)
    base, realm = settings.keycloak_base, settings.keycloak_realm
    secret = settings.keycloak_client_secret.get_secret_value()
    connection = RealmConnection(base, realm, settings.keycloak_client_id, secret, client)
    lines = KeycloakLines(
        realm=RealmInspection(base, realm, connection, keycloak.launch_client, client),
        realm_url=keycloak.realm_url,
        matches_users=settings.users == "existing",
        ends_foreign_sessions=settings.end_foreign_sessions,
        launch_return=f"{settings.public_url}/launch/return",
        broker_url=settings.internal_base,
        slug=await _slug(database) if database else None,
        plan_realm=plan_realm,
        now=now,
    )
    return await lines.all()


async def _slug(database: Database) -> str | None:
    """Of some installation that has an issuer now; None where there is none among the first ones."""
    page = await SqlInstallationList(database).page(InstallationFilter(state="active"), _LOOKED_AT)
    return slug_of(InstallationId(page.rows[0].installation)) if page.rows else None


async def _of_talkdesk(settings: Settings, client: httpx.AsyncClient, now: Clock) -> Sequence[Finding]:
    hosts = talkdesk_hosts(settings)
    lines = TalkdeskLines(hosts.gateway_roots, hosts.gateways | hosts.others, resolve, client, now)
    return await lines.all()
