"""Routes wired: each endpoint with the flow behind it."""

from collections.abc import Callable, Mapping
from datetime import timedelta

from fastapi import FastAPI

from broker.app.parts import Parts
from broker.app.reading import event_owners, event_parser
from broker.events import endpoint as events_endpoint
from broker.events.receive import Receive
from broker.launch import endpoint as launch_endpoint
from broker.launch.foreign import ForeignSessions
from broker.launch.prove import ProvenLaunch
from broker.launch.returning import ReturnFromKeycloak
from broker.launch.start import ResumeLaunch, StartLaunch
from broker.logout import endpoint as relay_endpoint
from broker.logout.relay import Relay
from broker.logout.seen import SessionsSeen
from broker.provider import endpoint as provider_endpoint
from broker.provider.answer import AnswerKeycloak
from broker.provider.authorize import Authorize
from broker.provider.callback import Callback
from broker.provider.client_auth import ClientAuthentication
from broker.provider.token import Token
from broker.reception import Reception
from broker.web import health, metrics
from broker.web.draining import Draining
from broker.web.errors import handle_errors
from broker.web.failures import FailurePages
from broker.web.pages import Pages
from broker.worker import Worker


def make_app(parts: Parts, worker: Worker, draining: Draining) -> FastAPI:
    """The routes of this service."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    pages = Pages()
    app.include_router(events_endpoint.router(_receive(parts, worker.wake), observer=parts.metrics))
    start = StartLaunch(parts.door, parts.to_keycloak, parts.now)
    resume = ResumeLaunch(parts.door, parts.to_keycloak, parts.now)
    reception = Reception(parts.settings.launches_at_once, parts.settings.answer_seconds)
    app.include_router(launch_endpoint.router(start, resume, _returning(parts), pages.outcome, reception))
    app.include_router(provider_endpoint.router(_provider(parts, pages, reception)))
    app.include_router(relay_endpoint.router(_relay(parts, worker.wake)))
    app.include_router(health.router(_pings(parts, worker), draining))
    parts.metrics.watch(worker.beat_age, parts.settings.sqlite_folder)
    app.include_router(metrics.router(parts.metrics, parts.stores.backlog))
    apps = {each.id: each for each in parts.config.apps}
    stores = parts.stores
    after = parts.settings.alert_after
    failure_pages = FailurePages(stores.failures, stores.installations, apps, pages, parts.now, after, parts.metrics)
    handle_errors(app, failure_pages)
    return app


def _receive(parts: Parts, wake: Callable[[], None]) -> Receive:
    return Receive(
        keys=parts.talkdesk.event_keys,
        events=parts.stores.events,
        parser=event_parser(parts.talkdesk.hosts, parts.config),
        gateways=parts.talkdesk.hosts.gateway_roots,
        owners=event_owners(parts.settings, parts.config),
        wake=wake,
        observer=parts.metrics,
    )


def _relay(parts: Parts, wake: Callable[[], None]) -> Relay:
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


def _returning(parts: Parts) -> ReturnFromKeycloak:
    return ReturnFromKeycloak(
        door=parts.door,
        states=parts.states,
        sign_ons=parts.stores.sign_ons,
        foreign_sessions=ForeignSessions(parts.door, parts.stores.sign_ons, parts.now),
        failures=parts.stores.failures,
        keycloak=parts.keycloak.launch_client,
        realm_keys=SessionsSeen(parts.fresh_keys, parts.stores.sign_ons),
        to_talkdesk=parts.to_talkdesk,
        to_keycloak=parts.to_keycloak,
        end_session=parts.end_sessions.one,
        end_person=parts.end_sessions.person,
        realm_issuer=parts.keycloak.realm_url,
        client_id=parts.settings.keycloak_launch_client_id,
        now=parts.now,
    )


def _provider(parts: Parts, pages: Pages, reception: Reception) -> provider_endpoint.Provider:
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
            to_talkdesk=parts.to_talkdesk,
            accounts=stores.accounts,
            answer=answer,
            proven_launch=proven_launch,
            match_user=parts.match_user,
            now=parts.now,
            patience_s=reception.patience_s,
        ),
        token=Token(
            door=parts.door,
            installations=stores.installations,
            one_time=stores.one_time_values,
            sign_ons=stores.sign_ons,
            client_auth=ClientAuthentication(parts.fresh_keys, stores.one_time_values),
            keys=parts.keys,
            issuers=parts.issuers,
            email_domains=parts.email_domains,
            now=parts.now,
            ask_for=parts.stores.tasks.enqueue,
            observer=parts.metrics,
        ),
        keys=parts.keys,
        issuers=parts.issuers,
        find_installation=stores.installations.find_by_slug,
        render=pages.outcome,
        reception=reception,
    )


_LONGEST_BEAT = timedelta(seconds=30)


def _pings(parts: Parts, worker: Worker) -> Mapping[str, health.Ping]:
    """What this process can't do its part without."""

    async def database() -> None:
        await parts.stores.meta.instance_id()

    async def keycloak_keys() -> timedelta:
        return await parts.keycloak.keys.age(parts.now())

    async def beat() -> timedelta:
        age = worker.beat_age()
        if age is None or age > _LONGEST_BEAT:
            raise TimeoutError
        return age

    return {"database": database, "keycloak keys": keycloak_keys, "worker": beat}
