"""A world whose parts are on different sites, and a real Chromium in front of it."""

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser as Chromium
from playwright.async_api import BrowserContext, Page, Request, async_playwright

from demo.app import DownstreamApp
from demo.keycloak_admin import KeycloakAdmin
from demo.talkdesk import User
from tests.acceptance.keycloak_server import REPOSITORY, RunningKeycloak
from tests.acceptance.sites import Sites, resolve_test_names
from tests.world import World, open_world

sys.path.append(str(REPOSITORY / "keycloak"))
from local_server import LocalServer

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True)
class SiteRealm:
    """A local Keycloak at its own site, as a `Realm` of a world."""

    server: LocalServer
    url: str

    @property
    def internal_url(self) -> str:
        """Where it listens."""
        return self.server.url

    @property
    def realm_url(self) -> str:
        """Its issuer."""
        return f"{self.url}/realms/talkdesk"

    @property
    def broker_secret(self) -> str:
        """Of the client `talkdesk-broker`."""
        return self.server.broker_secret

    @property
    def launch_secret(self) -> str:
        """Of the client `talkdesk-launch`."""
        return self.server.launch_secret

    async def point_to(self, broker_url: str) -> None:
        """It was imported for this broker."""
        assert broker_url == self.server.broker_url

    async def expire_sessions(self) -> None:
        """As the port says."""
        await self._where_it_listens.expire_sessions()

    async def switch(self, alias: str, *, enabled: bool) -> None:
        """As the port says."""
        await self._where_it_listens.switch(alias, enabled=enabled)

    async def delete_provider(self, alias: str) -> None:
        """As the port says."""
        await self._where_it_listens.delete_provider(alias)

    async def delete_mappers(self, alias: str) -> None:
        """As the port says."""
        await self._where_it_listens.delete_mappers(alias)

    @property
    def _where_it_listens(self) -> RunningKeycloak:
        server = self.server
        return RunningKeycloak(
            server.url, server.admin_username, server.admin_password, self.broker_secret, self.launch_secret
        )

    async def register_app(self, app: DownstreamApp, logout_url: str | None = None) -> None:
        """Keycloak reaches the app where it listens; browsers at its site."""
        async with KeycloakAdmin(self.server.url, self.server.admin_username, self.server.admin_password) as admin:
            await admin.register(app, backchannel_logout_url=f"{app.listens_at}/backchannel-logout")


@asynccontextmanager
async def open_sites(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[World, Chromium]]:
    """Everything on its own site, and Chromium."""
    sites = Sites(folder)
    monkeypatch.setenv("SSL_CERT_FILE", str(sites.authority_file))
    resolve_test_names(monkeypatch)
    url = sites.url("keycloak.test")
    async with sites.serving(), _chromium(sites) as chromium:
        with LocalServer(broker_url=sites.url("broker.test"), hostname=url) as server:
            sites.pass_on("keycloak.test", server.url)
            async with open_world(folder, SiteRealm(server, url), sites=sites) as world:
                yield world, chromium


@asynccontextmanager
async def _chromium(sites: Sites) -> AsyncIterator[Chromium]:
    flags = [
        *FLAGS,
        "--host-resolver-rules=MAP *.test 127.0.0.1",
        f"--ignore-certificate-errors-spki-list={sites.key_hash}",
    ]
    assert CHROMIUM, "no Chromium on the PATH (Debian: apt install chromium)"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Desk:
    """A person's browser, with Talkdesk's page open in it."""

    world: World
    context: BrowserContext
    talkdesk: Page

    @classmethod
    async def open(cls, world: World, chromium: Chromium) -> "Desk":
        """A new browser profile."""
        context = await chromium.new_context()
        page = await context.new_page()
        await page.goto(world.talkdesk.state.addresses.page)
        return cls(world, context, page)

    async def sign_in(self, name: str) -> None:
        """Choose who is signed in to Talkdesk."""
        await self.talkdesk.get_by_role("button", name=name).click()
        await self.talkdesk.locator("#signed-in", has_text=name).wait_for()

    async def sign_out(self) -> None:
        """Sign out of Talkdesk."""
        await self.talkdesk.locator("#sign-out").click()
        await self.talkdesk.locator("#signed-in", has_text="Nobody").wait_for()

    async def click_icon(self, app: DownstreamApp) -> "OpenedApp":
        """Click the app's icon: the only click there is."""
        async with self.context.expect_page() as opening:
            await self.talkdesk.locator(f'a.icon[data-app="{app.name}"]').click()
        tab = await opening.value
        chains: list[int] = []
        tab.on("requestfinished", lambda request: chains.append(_redirects_before(request)))
        await tab.wait_for_url(f"{app.url}/")
        return OpenedApp(tab, chains)

    async def launch_at_once(self, apps: list[DownstreamApp], user: User) -> list[Page]:
        """Open these apps' launch addresses in tabs of their own, in the same instant."""
        installed = {each.app.name: each for each in self.world.talkdesk.state.installations.values()}
        urls = [self.world.talkdesk.launch_url(installed[app.name], user) for app in apps]
        tabs = [await self.context.new_page() for _ in urls]
        await asyncio.gather(*(tab.goto(url, wait_until="commit") for tab, url in zip(tabs, urls, strict=True)))
        return tabs


@dataclass(frozen=True)
class OpenedApp:
    """An app in its own tab."""

    tab: Page
    chains: list[int]
    """Length of every chain of redirects that ended while it opened."""


def _redirects_before(request: Request) -> int:
    count, earlier = 0, request.redirected_from
    while earlier:
        count, earlier = count + 1, earlier.redirected_from
    return count
