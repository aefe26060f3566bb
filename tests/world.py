"""A whole world on loopback: stand-in Talkdesk, a Keycloak, the broker, two apps behind it, and browsers.

The Keycloak is the imitation in scenarios and a real one in acceptance; everything else is the same, so that a scenario that holds
against the imitation can be asked of the real one, word for word.
"""

import ssl
import tomllib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from pydantic import SecretStr

from broker.app import Broker, open_broker
from broker.model.identity_provider import ProviderState
from broker.model.installation import Installation as BrokersInstallation
from broker.model.names import InstallationId
from broker.model.task import Task, TaskKind
from broker.settings import ConfigFile, Settings
from demo.app import DownstreamApp
from demo.browser import Browser, Page
from demo.server import HttpServer
from demo.talkdesk import ANA, NOTES_ID, WALLBOARD_ID, Installation, InstallationState, StandIn, User, Variants, apps_at
from tests.fakes.app_front import AppFront
from tests.prepared import copy_into
from tests.waiting import eventually

MOST_REDIRECTS = 12
"""No chain of ours and Keycloak's is longer; a browser stops at about 20."""


class Realm(Protocol):
    """A Keycloak with our realm, imitated or real."""

    @property
    def url(self) -> str: ...

    @property
    def internal_url(self) -> str: ...

    @property
    def realm_url(self) -> str: ...

    @property
    def broker_secret(self) -> str: ...

    @property
    def launch_secret(self) -> str: ...

    async def point_to(self, broker_url: str) -> None:
        """Let launches come back to this broker."""
        ...

    async def register_app(self, app: DownstreamApp, logout_url: str | None = None) -> None:
        """Make the client of an app; Keycloak tells this URL of sign-outs, else the app's own."""
        ...

    async def expire_sessions(self) -> None:
        """All sessions are over, no app is told, and browsers keep their cookies."""
        ...

    async def switch(self, alias: str, *, enabled: bool) -> None:
        """Do what an administrator does with an identity provider in the console."""
        ...

    async def delete_provider(self, alias: str) -> None:
        """Delete an identity provider, as an administrator does in the console."""
        ...

    async def delete_mappers(self, alias: str) -> None:
        """Delete an identity provider's mappers, as an administrator does in the console."""
        ...


class Addresses(Protocol):
    """Where browsers find the parts of a world, if that is not where they listen."""

    @property
    def client_context(self) -> ssl.SSLContext: ...

    def url(self, name: str) -> str: ...

    def pass_on(self, name: str, url: str) -> None: ...


class BrokerProcess:
    """A broker at a fixed address that can be stopped and started again on the same data."""

    def __init__(self, folder: Path, make_settings: Callable[[str], tuple[Settings, ConfigFile]]) -> None:
        self._server = HttpServer()
        self.listens_at = self._server.url
        self.folder = folder
        self.settings, self.config = make_settings(self.listens_at)
        self.url = self.settings.public_url
        self._stack = AsyncExitStack()
        self._opened: Broker | None = None

    @property
    def opened(self) -> Broker:
        """The running broker's insides."""
        assert self._opened is not None, "the broker is not running"
        return self._opened

    async def start(self) -> None:
        """Open and listen."""
        self._opened = await self._stack.enter_async_context(open_broker(self.settings, self.config))
        await self._server.start(self._opened.app)
        await self._stack.enter_async_context(self._opened.working())

    async def stop(self) -> None:
        """Stop listening and let everything go; `start` takes up the same address and data."""
        port = self._server.port
        await self._server.stop()
        await self._stack.aclose()
        self._opened = None
        self._server = HttpServer(port=port)

    async def close(self) -> None:
        """For good."""
        await self._server.stop()
        await self._stack.aclose()


@dataclass
class World:
    """Everything that takes part."""

    talkdesk: StandIn
    realm: Realm
    broker: BrokerProcess
    wallboard: DownstreamApp
    notes: DownstreamApp
    browsers: list[Browser] = field(default_factory=list)
    fronts: dict[str, AppFront] = field(default_factory=dict)
    """By client id: what the relay calls, where logouts go through it."""

    def browser(self, user: User | None = ANA) -> Browser:
        """A new browser, in which this person is signed in to Talkdesk."""
        browser = Browser()
        self.browsers.append(browser)
        if user:
            self.talkdesk.sign_in(browser, user)
        return browser

    async def install(self, account: Any, app: str = "Wallboard") -> Installation:
        """Install, and wait until the broker has approved it."""
        installation = await self.talkdesk.install(account, self.talkdesk.app(app))
        await self.talkdesk.until_answered(installation, seconds=60)
        return installation

    async def launch(self, browser: Browser, installation: Installation, user: User) -> Page:
        """Click the app's icon; every launch of every test counts its redirects here."""
        page = await browser.open(self.talkdesk.launch_url(installation, user), on=self.talkdesk.url)
        assert page.longest_chain <= MOST_REDIRECTS, page.chain
        return page

    async def open_app(self, browser: Browser, app: DownstreamApp) -> Page:
        """Go to an app's start URL, as a bookmark does."""
        page = await browser.open(app.start_url)
        assert page.longest_chain <= MOST_REDIRECTS, page.chain
        return page

    async def alias(self, installation: Installation) -> str | None:
        """Alias of the installation's live identity provider."""
        record = await self.broker.opened.stores.provider_records.find_latest(InstallationId(installation.id))
        return record.alias if record and record.state is ProviderState.LIVE else None

    async def converge(self, installation: Installation) -> None:
        """Ask for the installation to be looked at again, as a reconcile does."""
        await self.broker.opened.stores.tasks.enqueue(Task(TaskKind.CONVERGE, installation.id))
        self.broker.opened.worker.wake()

    async def later(self) -> None:
        """Wait until Talkdesk's clock shows another millisecond: events of the same one have no order."""
        now = self.talkdesk.state.clock() + timedelta(milliseconds=1)
        await eventually(lambda: self.talkdesk.state.clock() > now, what="another millisecond")

    async def another_second(self) -> None:
        """Wait until who signs on now does not count as begun before."""
        await another_second(self.talkdesk)

    async def check(self, installation: Installation) -> None:
        """Ask for the daily check now."""
        await self.broker.opened.stores.tasks.enqueue(Task(TaskKind.CHECK, installation.id))
        self.broker.opened.worker.wake()

    async def state_of(self, installation: Installation) -> BrokersInstallation:
        """What the broker knows of it."""
        known = await self.broker.opened.stores.installations.find(InstallationId(installation.id))
        assert known is not None
        return known

    def is_approved(self, app: DownstreamApp) -> bool:
        """Whether Talkdesk heard that the app's only installation is set up."""
        states = [each.state for each in self.talkdesk.state.installations.values() if each.app.name == app.name]
        return states == [InstallationState.APPROVED]

    async def signed_out(self, *apps: DownstreamApp) -> None:
        """Wait until nobody is signed in at these apps."""
        await eventually(lambda: not any(app.signed_in for app in apps), what="everybody is out of the apps")


OpenWorld = Callable[..., AbstractAsyncContextManager[World]]
"""Opens a world; takes what `open_world` takes beyond folder and realm."""


def relay_url(broker: BrokerProcess, app: DownstreamApp) -> str:
    """What Keycloak calls, where the app's logouts go through the broker."""
    return f"{broker.listens_at}/relay/{app.client_id}"


async def another_second(talkdesk: StandIn) -> None:
    """Wait a whole second of Talkdesk's: its `Date` has no fractions, so a sign-on may count as begun that much earlier (decision 6)."""
    now = talkdesk.state.clock() + timedelta(seconds=1)
    await eventually(lambda: talkdesk.state.clock() >= now, what="another second")


def users_of(app: DownstreamApp) -> list[str]:
    """Talkdesk user ids of those who are signed in at an app."""
    return sorted(str(session.claims.get("talkdesk_user_id")) for session in app.signed_in)


@asynccontextmanager
async def open_world(
    folder: Path,
    realm: Realm,
    *,
    variants: Variants | None = None,
    settings: Mapping[str, Any] | None = None,
    config: str = "",
    sites: Addresses | None = None,
    relayed: bool = False,
) -> AsyncIterator[World]:
    """Everything started and wired, and stopped at the end. `relayed`: logouts reach the apps through the broker."""
    async with AsyncExitStack() as stack:
        apps = [_app(name, realm, sites) for name in ("Wallboard", "Notes")]
        fronts = {app.client_id: AppFront(app.backchannel_logout_url) for app in apps} if relayed else {}
        config += "".join(map(_relay, fronts, fronts.values()))

        def make_settings(listens_at: str) -> tuple[Settings, ConfigFile]:
            given = _settings(folder, realm, listens_at, sites) | dict(settings or {})
            return Settings.model_validate(given), ConfigFile.model_validate(tomllib.loads(_config(apps) + config))

        broker = BrokerProcess(folder, make_settings)
        talkdesk = StandIn(
            apps=apps_at(broker.url),
            variants=variants,
            page_url=sites.url("talkdesk.test") if sites else None,
            tls=sites.client_context if sites else None,
        )
        await realm.point_to(broker.url)
        for front in fronts.values():
            await front.start()
            stack.push_async_callback(front.close)
        for app in apps:
            await realm.register_app(app, relay_url(broker, app) if relayed else None)
            await app.start()
            stack.push_async_callback(app.stop)
        await talkdesk.start()
        stack.push_async_callback(talkdesk.stop)
        if sites:
            sites.pass_on("broker.test", broker.listens_at)
            sites.pass_on("talkdesk.test", talkdesk.url)
        stack.push_async_callback(broker.close)
        copy_into(folder)
        await broker.start()
        world = World(talkdesk, realm, broker, wallboard=apps[0], notes=apps[1], fronts=fronts)
        try:
            yield world
        finally:
            for browser in world.browsers:
                await browser.close()


def _app(name: str, realm: Realm, sites: Addresses | None) -> DownstreamApp:
    app = DownstreamApp(
        name=name,
        issuer=realm.realm_url,
        client_id=name.lower(),
        client_secret=f"secret-of-{name}",
        public_url=sites.url(f"{name.lower()}.test") if sites else None,
        tls=sites.client_context if sites else None,
    )
    if sites:
        sites.pass_on(f"{name.lower()}.test", app.listens_at)
    return app


def _settings(folder: Path, realm: Realm, listens_at: str, sites: Addresses | None) -> dict[str, Any]:
    talkdesk_host = "talkdesk.test" if sites else "127.0.0.1"
    return {
        "public_url": sites.url("broker.test") if sites else listens_at,
        "internal_url": listens_at,
        "keycloak_url": realm.url,
        "keycloak_internal_url": realm.internal_url,
        "keycloak_client_secret": SecretStr(realm.broker_secret),
        "keycloak_launch_client_secret": SecretStr(realm.launch_secret),
        "data_dir": folder,
        "talkdesk_insecure": sites is None,
        "talkdesk_gateways": talkdesk_host,
        "talkdesk_hosts": talkdesk_host,
        "config_file": folder / "unused.toml",
    }


def _relay(client_id: str, front: AppFront) -> str:
    return f"""
        [[relays]]
        slug = "{client_id}"
        client_id = "{client_id}"
        logout_url = "{front.url}"
        """


def _config(apps: list[DownstreamApp]) -> str:
    return "\n".join(
        f"""
        [[apps]]
        id = "{app_id}"
        name = "{app.name}"
        start_url = "{app.start_url}"
        support = {{ email = "help@example.com", phone = "+351 21 000 00 00" }}
        """
        for app_id, app in zip((WALLBOARD_ID, NOTES_ID), apps, strict=True)
    )
