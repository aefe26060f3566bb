"""Adapters made of settings: the database, Talkdesk, Keycloak, apps, the operator's webhook."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx

from broker.alerts.webhook import HttpWebhook
from broker.app.reading import talkdesk_hosts
from broker.downstream import HttpAppLogoutUrl
from broker.logout.deliver import RelayedApp
from broker.model.pkce import random_value
from broker.outbound import Observe, date_of, http_client
from broker.ports import Clock, Webhook
from broker.realm.connection import RealmConnection
from broker.realm.identity_providers import KeycloakIdentityProviders
from broker.realm.keys import KeycloakRealmKeys
from broker.realm.launch_client import KeycloakLaunchClient
from broker.realm.logout import KeycloakLogoutEndpoint
from broker.realm.operations import operation_of
from broker.realm.sessions import KeycloakSessions
from broker.realm.users import KeycloakUsers
from broker.settings import ConfigFile, Settings
from broker.storage import database as databases
from broker.storage.sealed_values import SealedValues, is_anything_sealed
from broker.storage.sealing_keys import load_keys
from broker.storage.stores import Stores, open_stores
from broker.talkdesk.apps import AppsApi
from broker.talkdesk.event_keys import EventKeys
from broker.talkdesk.links import Hosts
from broker.talkdesk.oauth import OAuth
from broker.talkdesk.wire import OPERATION, Wire
from broker.web.metrics import Metrics


@dataclass(frozen=True)
class Talkdesk:
    """Everything that speaks to Talkdesk."""

    hosts: Hosts
    event_keys: EventKeys
    oauth: OAuth
    apps: AppsApi


@dataclass(frozen=True)
class Keycloak:
    """Everything that speaks to Keycloak."""

    identity_providers: KeycloakIdentityProviders
    users: KeycloakUsers
    sessions: KeycloakSessions
    keys: KeycloakRealmKeys
    logout: KeycloakLogoutEndpoint
    launch_client: KeycloakLaunchClient
    realm_url: str
    """The realm as browsers see it: also its issuer identifier."""


async def open_sealed_stores(settings: Settings, stack: AsyncExitStack, now: Clock) -> Stores:
    """The database, its tables made new where need be, with the keys that open what is sealed in it. Raises StorageError."""
    database = databases.open_database(settings.database.get_secret_value())
    stack.push_async_callback(database.close)
    await databases.make_ready(database)
    given = settings.sealing_keys
    sealer = load_keys(
        text=given.get_secret_value() if given else None,
        file=settings.sealing_keys_file,
        made_below=settings.data_dir if settings.database.get_secret_value().startswith("sqlite") else None,
        is_needed=await is_anything_sealed(database),
    )
    await SealedValues(database, sealer).require_keys()
    return open_stores(database, sealer, now)


def talkdesk_of(settings: Settings, client: httpx.AsyncClient, now: Clock) -> Talkdesk:
    """Talkdesk by these settings."""
    hosts = talkdesk_hosts(settings)
    wire = Wire(client, hosts)
    redirect_url = f"{settings.public_url}/talkdesk/callback"
    return Talkdesk(
        hosts,
        EventKeys(wire, now),
        OAuth(wire, redirect_url, now, random_value),
        AppsApi(wire, now, random_value),
    )


def keycloak_of(settings: Settings, client: httpx.AsyncClient) -> Keycloak:
    """Keycloak by these settings."""
    base, realm = settings.keycloak_base, settings.keycloak_realm
    secret = settings.keycloak_client_secret.get_secret_value()
    connection = RealmConnection(base, realm, settings.keycloak_client_id, secret, client)
    return Keycloak(
        KeycloakIdentityProviders(connection),
        KeycloakUsers(connection),
        KeycloakSessions(connection),
        KeycloakRealmKeys(base, realm, client),
        KeycloakLogoutEndpoint(base, realm, client),
        KeycloakLaunchClient(
            browser_url=settings.keycloak_url,
            base_url=base,
            realm=realm,
            client_id=settings.keycloak_launch_client_id,
            client_secret=settings.keycloak_launch_client_secret.get_secret_value(),
            redirect_uri=f"{settings.public_url}/launch/return",
            client=client,
        ),
        f"{settings.keycloak_url}/realms/{realm}",
    )


def webhook_of(settings: Settings, client: httpx.AsyncClient) -> Webhook | None:
    """The operator's webhook; None where there is none."""
    return HttpWebhook(settings.alert_url.get_secret_value(), client) if settings.alert_url else None


async def relayed_apps(config: ConfigFile, stack: AsyncExitStack, measured: Metrics) -> Mapping[str, RelayedApp]:
    """Apps whose logouts we deliver, by slug; each with connections of its own, so that one that hangs keeps none from another."""
    relayed = {}
    for relay in config.relays:
        client = await stack.enter_async_context(http_client(observe=_app_calls(measured)))
        relayed[relay.slug] = RelayedApp(relay.slug, relay.client_id, HttpAppLogoutUrl(relay.logout_url, client))
    return relayed


def talkdesk_calls(measured: Metrics, now: Clock) -> Observe:
    """Counts calls to Talkdesk, by operation, and sees its clock."""

    def observe(request: httpx.Request, response: httpx.Response | None, took_s: float) -> None:
        measured.call_ended("talkdesk", request.extensions.get(OPERATION, "other"), _status_of(response), took_s)
        theirs = date_of(response.headers) if response is not None else None
        if theirs:
            measured.clock_seen("talkdesk", (now() - theirs).total_seconds())

    return observe


def keycloak_calls(measured: Metrics) -> Observe:
    """Counts calls to Keycloak, by operation."""
    return lambda request, response, took_s: measured.call_ended(
        "keycloak", operation_of(request.method, request.url.path), _status_of(response), took_s
    )


def _app_calls(measured: Metrics) -> Observe:
    return lambda _, response, took_s: measured.call_ended("app", "back-channel logout", _status_of(response), took_s)


def _status_of(response: httpx.Response | None) -> int | None:
    return response.status_code if response is not None else None
