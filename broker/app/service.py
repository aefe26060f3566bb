"""The service as a whole: opened, working, let go."""

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from starlette.types import ASGIApp

from broker.app.adapters import (
    keycloak_calls,
    keycloak_of,
    open_sealed_stores,
    relayed_apps,
    talkdesk_calls,
    talkdesk_of,
    webhook_of,
)
from broker.app.parts import Parts
from broker.app.routes import make_app
from broker.app.tasks import make_converge, make_reconcile, make_worker
from broker.converge.provision import Converge
from broker.converge.reconcile import Reconcile
from broker.converge.turn import reconcile_every
from broker.housekeeping import keep_house
from broker.issuer.keys import SigningKeys
from broker.issuer.rotation import keep_keys
from broker.launch.switch import Switches
from broker.outbound import http_client
from broker.ports import Clock
from broker.settings import ConfigFile, Settings
from broker.storage.stores import Stores
from broker.web.draining import Draining
from broker.web.metrics import Metrics
from broker.web.middleware import EveryAnswer, RequestIds
from broker.worker import Worker


def utc_now() -> datetime:
    """The clock of this process."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Broker:
    """A broker that is ready to serve."""

    app: ASGIApp
    worker: Worker
    stores: Stores
    draining: Draining
    """To be begun before the end, so that nobody's request is cut."""
    now: Clock
    keys: SigningKeys
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
        others = [
            asyncio.create_task(keep_house(self.stores, self.longest_session, self.now)),
            asyncio.create_task(keep_keys(self.keys, self.stores.issuer_keys)),
        ]
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


@asynccontextmanager
async def open_broker(settings: Settings, config: ConfigFile, now: Clock = utc_now) -> AsyncIterator[Broker]:
    """Everything wired together; all of it is let go at the end. Raises StorageError."""
    async with AsyncExitStack() as stack:
        stores = await open_sealed_stores(settings, stack, now)
        measured = Metrics([app.id for app in config.apps])
        talkdesk_client = await stack.enter_async_context(http_client(observe=talkdesk_calls(measured, now)))
        keycloak_client = await stack.enter_async_context(http_client(observe=keycloak_calls(measured)))
        keycloak = keycloak_of(settings, keycloak_client)
        parts = Parts(
            settings=settings,
            config=config,
            now=now,
            stores=stores,
            metrics=measured,
            keys=await SigningKeys.load(stores.issuer_keys),
            instance=await stores.meta.instance_id(),
            talkdesk=talkdesk_of(settings, talkdesk_client, now),
            keycloak=keycloak,
            switches=Switches(keycloak.identity_providers),
            webhook=webhook_of(settings, await stack.enter_async_context(http_client())),
            relayed=await relayed_apps(config, stack, measured),
            owner=f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}",
        )
        converge = make_converge(parts)
        worker = make_worker(parts, converge)
        draining = Draining()
        yield Broker(
            # Outside of everything: also what the framework answers by itself gets these headers.
            app=RequestIds(EveryAnswer(make_app(parts, worker, draining), draining), settings.proxies),
            worker=worker,
            stores=stores,
            draining=draining,
            now=now,
            keys=parts.keys,
            longest_session=timedelta(hours=settings.longest_session_hours),
            converge=converge,
            reconcile=make_reconcile(parts, converge),
            reconcile_every=timedelta(hours=settings.reconcile_hours) or None,
            owner=parts.owner,
        )
