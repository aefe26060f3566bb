"""Composition root: every concrete thing is named here, and nowhere else."""

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
from fastapi import FastAPI
from starlette.types import ASGIApp

from broker.alerts.contested import AlertOfContested
from broker.alerts.sign_ons import AlertOfSignOns
from broker.alerts.webhook import HttpWebhook
from broker.converge.answer import Answer
from broker.converge.check import Check
from broker.converge.desired import Deployment
from broker.converge.findings import Judge
from broker.converge.provision import Converge
from broker.converge.reconcile import Reconcile
from broker.converge.rotation import AnswerRotation
from broker.converge.turn import reconcile_every
from broker.door import Door, StartPage, with_issuer
from broker.downstream import HttpAppLogoutUrl
from broker.events import endpoint as events_endpoint
from broker.events.accept import Owners
from broker.events.parse import Parser
from broker.events.receive import Receive
from broker.housekeeping import keep_house
from broker.issuer.identifier import Issuers
from broker.issuer.keys import SigningKeys
from broker.launch import endpoint as launch_endpoint
from broker.launch.prove import ProvenLaunch
from broker.launch.returning import ReturnFromKeycloak
from broker.launch.start import ResumeLaunch, StartLaunch, ToKeycloak
from broker.launch.switch import Switches
from broker.logout import endpoint as relay_endpoint
from broker.logout.account import EndAccount
from broker.logout.deliver import Deliver, RelayedApp, Settle
from broker.logout.end_sessions import EndSessions
from broker.logout.relay import Relay
from broker.logout.seen import SessionsSeen
from broker.logout.sign_out import SignOut
from broker.model.names import AccountId
from broker.model.pkce import random_value
from broker.model.realm_user import MatchRule
from broker.model.task import TaskKind
from broker.observation import Timed
from broker.outbound import Observe, http_client
from broker.ports import Clock, Webhook
from broker.provider import endpoint as provider_endpoint
from broker.provider.answer import AnswerKeycloak
from broker.provider.authorize import Authorize
from broker.provider.callback import Callback
from broker.provider.client_auth import ClientAuthentication
from broker.provider.match import MatchUser
from broker.provider.token import Token
from broker.realm.connection import RealmConnection
from broker.realm.identity_providers import KeycloakIdentityProviders
from broker.realm.keys import KeycloakRealmKeys
from broker.realm.launch_client import KeycloakLaunchClient
from broker.realm.logout import KeycloakLogoutEndpoint
from broker.realm.operations import operation_of
from broker.realm.users import KeycloakUsers
from broker.settings import ConfigFile, EventSettings, Settings
from broker.states import States
from broker.storage import database as databases
from broker.storage.sealed_values import SealedValues, is_anything_sealed
from broker.storage.sealing_keys import load_keys
from broker.storage.stores import Stores, open_stores
from broker.talkdesk.apps import AppsApi
from broker.talkdesk.event_keys import EventKeys
from broker.talkdesk.links import Hosts
from broker.talkdesk.oauth import OAuth
from broker.talkdesk.wire import OPERATION, Wire
from broker.to_talkdesk import ToTalkdesk
from broker.web import health, metrics
from broker.web.errors import handle_errors
from broker.web.failures import FailurePages
from broker.web.metrics import Metrics
from broker.web.middleware import EveryAnswer, RequestIds
from broker.web.pages import Pages
from broker.worker import PLACES, Effect, Worker


@dataclass(frozen=True)
class Broker:
    """A broker that is ready to serve."""

    app: ASGIApp
    worker: Worker
    stores: Stores
    now: Clock
    longest_session: timedelta
    converge: Converge
    reconcile: Reconcile
    reconcile_every: timedelta | None
    """None: only when somebody says so."""
    owner: str
    """Names this process in leases."""

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Tasks are carried out meanwhile; begin when the service listens, since Keycloak fetches our keys for a logout token."""
        working = asyncio.create_task(self.worker.run())
        others = [asyncio.create_task(keep_house(self.stores, self.longest_session, self.now))]
        if self.reconcile_every:
            again = reconcile_every(
                self.reconcile, self.stores.turns, self.owner, self.worker.lease, self.reconcile_every
            )
            others.append(asyncio.create_task(again))
        try:
            yield
        finally:
            for each in others:
                each.cancel()
            self.worker.stop()
            await working
            await asyncio.gather(*others, return_exceptions=True)


def utc_now() -> datetime:
    """The clock of this process."""
    return datetime.now(UTC)


@asynccontextmanager
async def open_broker(settings: Settings, config: ConfigFile, now: Clock = utc_now) -> AsyncIterator[Broker]:
    """Everything wired together; all of it is let go at the end. Raises StorageError."""
    async with AsyncExitStack() as stack:
        stores = await _open_stores(settings, stack, now)
        measured = Metrics([app.id for app in config.apps])
        talkdesk_client = await stack.enter_async_context(http_client(observe=_talkdesk_calls(measured)))
        keycloak_client = await stack.enter_async_context(http_client(observe=_keycloak_calls(measured)))
        keycloak = _keycloak(settings, keycloak_client)
        parts = _Parts(
            settings=settings,
            config=config,
            now=now,
            stores=stores,
            metrics=measured,
            keys=await SigningKeys.load(stores.issuer_keys),
            instance=await stores.meta.instance_id(),
            talkdesk=_talkdesk(settings, talkdesk_client, now),
            keycloak=keycloak,
            switches=Switches(keycloak.identity_providers),
            webhook=_webhook(settings, await stack.enter_async_context(http_client())),
            relayed=await _relayed(config, stack, measured),
            owner=f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}",
        )
        converge = _converge(parts)
        worker = _worker(parts, converge)
        yield Broker(
            # Outside of everything: also what the framework answers by itself gets these headers.
            app=RequestIds(EveryAnswer(_app(parts, worker))),
            worker=worker,
            stores=stores,
            now=now,
            longest_session=timedelta(hours=settings.longest_session_hours),
            converge=converge,
            reconcile=_reconcile(parts, converge),
            reconcile_every=timedelta(hours=settings.reconcile_hours) or None,
            owner=parts.owner,
        )


@dataclass(frozen=True)
class _Talkdesk:
    hosts: Hosts
    event_keys: EventKeys
    oauth: OAuth
    apps: AppsApi


@dataclass(frozen=True)
class _Keycloak:
    identity_providers: KeycloakIdentityProviders
    users: KeycloakUsers
    keys: KeycloakRealmKeys
    logout: KeycloakLogoutEndpoint
    launch_client: KeycloakLaunchClient
    realm_url: str
    """The realm as browsers see it: also its issuer identifier."""


@dataclass(frozen=True)
class _Parts:
    settings: Settings
    config: ConfigFile
    now: Clock
    stores: Stores
    metrics: Metrics
    keys: SigningKeys
    instance: str
    talkdesk: _Talkdesk
    keycloak: _Keycloak
    switches: Switches
    webhook: Webhook | None
    relayed: Mapping[str, RelayedApp]
    """Apps whose logouts we deliver, by slug."""
    owner: str

    @property
    def issuers(self) -> Issuers:
        return Issuers(self.settings.public_url, self.settings.internal_base)

    @property
    def end_sessions(self) -> EndSessions:
        return EndSessions(
            sign_ons=self.stores.sign_ons,
            keycloak=self.keycloak.logout,
            providers=self.keycloak.identity_providers,
            records=self.stores.provider_records,
            keys=self.keys,
            issuers=self.issuers,
            now=self.now,
            lease=timedelta(seconds=self.settings.lease_seconds),
            observer=self.metrics,
        )

    @property
    def settle(self) -> Settle:
        return Settle(self.stores.deliveries, self.now, self.metrics)

    @property
    def states(self) -> States:
        return States(self.stores.one_time_values, self.now)

    @property
    def door(self) -> Door:
        realm_url = self.keycloak.realm_url
        apps = {app.id: StartPage(app.name, with_issuer(app.start_url, realm_url)) for app in self.config.apps}
        return Door(self.stores.installations, self.stores.provider_records, apps, self.listed_accounts)

    @property
    def to_keycloak(self) -> ToKeycloak:
        launch_url = f"{self.settings.public_url}/talkdesk/launch"
        return ToKeycloak(
            self.door, self.states, self.keycloak.launch_client, self.switches, self.stores.tasks.enqueue, launch_url
        )

    @property
    def to_talkdesk(self) -> ToTalkdesk:
        return ToTalkdesk(self.states, self.talkdesk.oauth, self.now)

    @property
    def listed_accounts(self) -> frozenset[AccountId] | None:
        return listed_accounts(self.settings, self.config)

    @property
    def email_domains(self) -> dict[AccountId, tuple[str, ...]]:
        accounts = self.config.accounts
        return {account.id: tuple(domain.lower() for domain in account.email_domains) for account in accounts}

    @property
    def match_user(self) -> MatchUser | None:
        if self.settings.users == "own":
            return None
        domains = self.email_domains
        rules = {each.id: MatchRule(each.match, domains[each.id]) for each in self.config.accounts if each.match}
        return MatchUser(self.keycloak.users, self.stores.provider_records, rules)

    def is_welcome(self, account: AccountId) -> bool:
        return self.listed_accounts is None or account in self.listed_accounts


def listed_accounts(settings: EventSettings, config: ConfigFile) -> frozenset[AccountId] | None:
    """Accounts that may use the apps; None for any."""
    return None if settings.accounts == "any" else frozenset(account.id for account in config.accounts)


def event_parser(hosts: Hosts, config: ConfigFile) -> Parser:
    """How events are read, when they come and when they are replayed."""
    suspending = frozenset(app.id for app in config.apps if app.on_trial_expired == "suspend")
    return Parser(hosts.check, hosts.check_gateway, suspending)


def event_owners(settings: EventSettings, config: ConfigFile) -> Owners:
    """Whose events are taken."""
    return Owners(frozenset(app.id for app in config.apps), listed_accounts(settings, config))


async def _open_stores(settings: Settings, stack: AsyncExitStack, now: Clock) -> Stores:
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


def _talkdesk_calls(measured: Metrics) -> Observe:
    return lambda request, status, took_s: measured.call_ended(
        "talkdesk", request.extensions.get(OPERATION, "other"), status, took_s
    )


def _keycloak_calls(measured: Metrics) -> Observe:
    return lambda request, status, took_s: measured.call_ended(
        "keycloak", operation_of(request.method, request.url.path), status, took_s
    )


async def _relayed(config: ConfigFile, stack: AsyncExitStack, measured: Metrics) -> Mapping[str, RelayedApp]:
    relayed = {}
    for relay in config.relays:
        client = await stack.enter_async_context(http_client(observe=_app_calls(measured)))
        relayed[relay.slug] = RelayedApp(relay.slug, relay.client_id, HttpAppLogoutUrl(relay.logout_url, client))
    return relayed


def _app_calls(measured: Metrics) -> Observe:
    return lambda _, status, took_s: measured.call_ended("app", "back-channel logout", status, took_s)


def talkdesk_hosts(settings: EventSettings) -> Hosts:
    """The allow-list."""
    return Hosts(settings.talkdesk_gateways, settings.talkdesk_hosts, is_insecure=settings.talkdesk_insecure)


def _talkdesk(settings: Settings, client: httpx.AsyncClient, now: Clock) -> _Talkdesk:
    hosts = talkdesk_hosts(settings)
    wire = Wire(client, hosts)
    redirect_url = f"{settings.public_url}/talkdesk/callback"
    return _Talkdesk(
        hosts,
        EventKeys(wire, now),
        OAuth(wire, redirect_url, now, random_value),
        AppsApi(wire, now, random_value),
    )


def _keycloak(settings: Settings, client: httpx.AsyncClient) -> _Keycloak:
    base, realm = settings.keycloak_base, settings.keycloak_realm
    secret = settings.keycloak_client_secret.get_secret_value()
    connection = RealmConnection(base, realm, settings.keycloak_client_id, secret, client)
    return _Keycloak(
        KeycloakIdentityProviders(connection),
        KeycloakUsers(connection),
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


def _webhook(settings: Settings, client: httpx.AsyncClient) -> Webhook | None:
    return HttpWebhook(settings.alert_url.get_secret_value(), client) if settings.alert_url else None


def _converge(parts: _Parts) -> Converge:
    stores = parts.stores
    return Converge(
        events=stores.events,
        installations=stores.installations,
        records=stores.provider_records,
        tasks=stores.tasks,
        providers=parts.keycloak.identity_providers,
        repairs=stores.repairs,
        deployment=Deployment(
            instance=parts.instance,
            public_url=parts.settings.public_url,
            internal_url=parts.settings.internal_base,
            makes_users=parts.settings.users == "own",
        ),
        app_names={app.id: app.name for app in parts.config.apps},
        is_welcome=parts.is_welcome,
        end_sessions=EndAccount(stores.sign_ons, stores.logout_records, parts.end_sessions, parts.now, parts.metrics),
        now=parts.now,
    )


def _reconcile(parts: _Parts, converge: Converge) -> Reconcile:
    stores = parts.stores
    judge = Judge(converge.deployment, converge.app_names, converge.is_welcome)
    return Reconcile(converge.providers, stores.known_providers, stores.repairs, stores.tasks, judge, parts.now)


def _worker(parts: _Parts, converge: Converge) -> Worker:
    stores = parts.stores
    apps = parts.talkdesk.apps
    answer = Answer(
        events=stores.events,
        installations=stores.installations,
        records=stores.provider_records,
        logouts=stores.logouts,
        apps=apps,
        rotation=AnswerRotation(stores.installations, apps, stores.one_time_values, parts.now),
        is_welcome=parts.is_welcome,
        now=parts.now,
    )
    alert = AlertOfSignOns(
        failures=stores.failures,
        installations=stores.installations,
        app_names={app.id: app.name for app in parts.config.apps},
        after=parts.settings.alert_after,
        webhook=parts.webhook,
    )
    sign_out = SignOut(
        stores.logouts,
        stores.logout_records,
        stores.sign_ons,
        stores.tasks,
        parts.end_sessions,
        parts.now,
        parts.metrics,
    )
    effects: dict[TaskKind, Effect] = {
        TaskKind.CONVERGE: converge,
        TaskKind.ANSWER: Timed(answer, stores.origins, parts.metrics, parts.now),
        TaskKind.SIGN_OUT: Timed(sign_out, stores.origins, parts.metrics, parts.now),
        TaskKind.CHECK: Check(stores.installations, apps, parts.now),
        TaskKind.ALERT: alert,
        TaskKind.ALERT_CONTESTED: AlertOfContested(
            stores.provider_records, stores.repairs, alert.app_names, stores.installations, parts.webhook, parts.now
        ),
        TaskKind.DELIVER: Deliver(parts.relayed, stores.deliveries, parts.settle, parts.now),
    }
    lease = timedelta(seconds=parts.settings.lease_seconds)
    # A place for each app: one that hangs keeps none from another.
    places = {**PLACES, TaskKind.DELIVER: max(PLACES[TaskKind.DELIVER], len(parts.relayed))}
    return Worker(stores.tasks, effects, parts.owner, parts.metrics, lease=lease, places=places)


def _app(parts: _Parts, worker: Worker) -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    pages = Pages()
    app.include_router(events_endpoint.router(_receive(parts, worker.wake), observer=parts.metrics))
    start = StartLaunch(parts.door, parts.to_keycloak, parts.now)
    resume = ResumeLaunch(parts.door, parts.to_keycloak, parts.now)
    app.include_router(launch_endpoint.router(start, resume, _returning(parts), pages.outcome))
    app.include_router(provider_endpoint.router(_provider(parts, pages)))
    app.include_router(relay_endpoint.router(_relay(parts, worker.wake)))
    app.include_router(health.router({"database": _ping_database(parts.stores)}))
    app.include_router(metrics.router(parts.metrics, parts.stores.backlog))
    apps = {each.id: each for each in parts.config.apps}
    stores = parts.stores
    after = parts.settings.alert_after
    failure_pages = FailurePages(stores.failures, stores.installations, apps, pages, parts.now, after, parts.metrics)
    handle_errors(app, failure_pages)
    return app


def _receive(parts: _Parts, wake: Callable[[], None]) -> Receive:
    return Receive(
        keys=parts.talkdesk.event_keys,
        events=parts.stores.events,
        parser=event_parser(parts.talkdesk.hosts, parts.config),
        gateways=parts.talkdesk.hosts.gateway_roots,
        owners=event_owners(parts.settings, parts.config),
        wake=wake,
        observer=parts.metrics,
    )


def _relay(parts: _Parts, wake: Callable[[], None]) -> Relay:
    return Relay(
        apps=parts.relayed,
        realm_issuer=parts.keycloak.realm_url,
        realm_keys=parts.keycloak.keys,
        deliveries=parts.stores.deliveries,
        settle=parts.settle,
        wake=wake,
        now=parts.now,
        observer=parts.metrics,
    )


def _returning(parts: _Parts) -> ReturnFromKeycloak:
    return ReturnFromKeycloak(
        door=parts.door,
        states=parts.states,
        sign_ons=parts.stores.sign_ons,
        failures=parts.stores.failures,
        keycloak=parts.keycloak.launch_client,
        realm_keys=SessionsSeen(parts.keycloak.keys, parts.stores.sign_ons),
        to_talkdesk=parts.to_talkdesk,
        to_keycloak=parts.to_keycloak,
        end_session=parts.end_sessions.one,
        end_person=parts.end_sessions.person,
        realm_issuer=parts.keycloak.realm_url,
        client_id=parts.settings.keycloak_launch_client_id,
        now=parts.now,
    )


def _provider(parts: _Parts, pages: Pages) -> provider_endpoint.Provider:
    stores, talkdesk = parts.stores, parts.talkdesk.oauth
    answer = AnswerKeycloak(stores.sign_ons, stores.one_time_values, parts.issuers, parts.now)
    proven_launch = ProvenLaunch(parts.door, stores.one_time_values, parts.to_keycloak, parts.now)
    return provider_endpoint.Provider(
        authorize=Authorize(
            door=parts.door,
            providers=stores.provider_records,
            one_time=stores.one_time_values,
            to_talkdesk=parts.to_talkdesk,
            answer=answer,
            realm_url=parts.keycloak.realm_url,
            now=parts.now,
        ),
        callback=Callback(
            door=parts.door,
            states=parts.states,
            talkdesk=talkdesk,
            accounts=stores.accounts,
            answer=answer,
            proven_launch=proven_launch,
            match_user=parts.match_user,
            now=parts.now,
        ),
        token=Token(
            door=parts.door,
            installations=stores.installations,
            one_time=stores.one_time_values,
            sign_ons=stores.sign_ons,
            client_auth=ClientAuthentication(parts.keycloak.keys, stores.one_time_values),
            keys=parts.keys,
            issuers=parts.issuers,
            email_domains=parts.email_domains,
            now=parts.now,
            observer=parts.metrics,
        ),
        keys=parts.keys,
        issuers=parts.issuers,
        find_installation=stores.installations.find_by_slug,
        render=pages.outcome,
    )


def _ping_database(stores: Stores) -> Callable[[], Awaitable[None]]:
    async def ping() -> None:
        await stores.meta.instance_id()

    return ping
