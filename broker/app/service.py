"""The service as a whole: opened, working, let go."""

import asyncio
import contextlib
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
from broker.app.tasks import make_worker
from broker.housekeeping import keep_house
from broker.issuer.keys import SigningKeys
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
    longest_session: timedelta

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Tasks are carried out meanwhile; begin when the service listens, since Keycloak fetches our keys for a logout token."""
        working = asyncio.create_task(self.worker.run())
        sweeping = asyncio.create_task(keep_house(self.stores, self.longest_session, self.now))
        try:
            yield
        finally:
            sweeping.cancel()
            self.worker.stop()
            await working
            with contextlib.suppress(asyncio.CancelledError):
                await sweeping


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
        )
        worker = make_worker(parts)
        longest = timedelta(hours=settings.longest_session_hours)
        draining = Draining()
        # Outside of everything: also what the framework answers by itself gets these headers.
        app = RequestIds(EveryAnswer(make_app(parts, worker, draining), draining), settings.proxies)
        yield Broker(app, worker, stores, draining, now, longest)
