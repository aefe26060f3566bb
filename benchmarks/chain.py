"""A whole chain for benchmarks: stand-in Talkdesk, a real Keycloak, an app, and the broker as a process of its own.

Owns: putting it together, a launch from the click to the app, and the processor time that Keycloak has used.
Leaves to others: what is measured. Talkdesk, the app and the browsers share this process.
"""

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.databases import Backend
from demo.app import DownstreamApp
from demo.browser import Browser
from demo.talkdesk import WALLBOARD_ID, Account, Installation, StandIn, User, apps_at
from demo.talkdesk.keys import new_id
from tests.acceptance.keycloak_server import RunningKeycloak
from tests.kept_data import KeptData
from tests.processes import BrokerProcess, processor_s_of

PEOPLE = 32


@dataclass(frozen=True)
class Chain:
    """All that takes part."""

    talkdesk: StandIn
    keycloak: RunningKeycloak
    app: DownstreamApp
    broker: BrokerProcess
    account: Account
    folder: Path

    async def install(self) -> Installation:
        """Install the app, and wait until the broker has approved it."""
        installation = await self.talkdesk.install(self.account, self.talkdesk.app("Wallboard"))
        await self.talkdesk.until_answered(installation, seconds=60)
        return installation

    async def launch(self, browser: Browser, installation: Installation, user: User) -> float:
        """Seconds from the click until the app shows who is signed in; the browser knows nothing but Talkdesk's session."""
        browser.clear()
        self.talkdesk.sign_in(browser, user)
        url = self.talkdesk.launch_url(installation, user)
        before = len(self.app.signed_in)
        began = time.perf_counter()
        page = await browser.open(url, on=self.talkdesk.url)
        took = time.perf_counter() - began
        assert (page.status, page.url) == (200, f"{self.app.url}/"), f"{page.status} {page.url}: {page.text[:500]}"
        assert len(self.app.signed_in) > before, "nobody was signed on"
        return took

    @property
    def keycloak_processor_s(self) -> float:
        """Processor time that Keycloak has used, its start script's included."""
        port = urlsplit(self.keycloak.url).port
        return processor_s_of(f"--http-port={port}")


@asynccontextmanager
async def open_chain(backend: Backend, data: KeptData, folder: Path) -> AsyncIterator[Chain]:
    """Everything started; nothing is installed yet."""
    keycloak = backend.keycloak()
    app = DownstreamApp(name="Wallboard", issuer=keycloak.realm_url, client_id="wallboard", client_secret=new_id())
    broker = BrokerProcess(_settings(data, folder, keycloak, app), folder / "broker.log")
    account = Account(new_id(), "large", "Large", tuple(_people()))
    async with AsyncExitStack() as stack:
        talkdesk = StandIn(apps=apps_at(broker.url), accounts=[account])
        await keycloak.point_to(broker.url)
        await keycloak.register_app(app)
        for server in (app, talkdesk):
            await server.start()
            stack.push_async_callback(server.stop)
        stack.callback(broker.kill)
        await broker.start()
        yield Chain(talkdesk, keycloak, app, broker, account, folder)
        assert not broker.complaints(), broker.complaints()[:3]


def _people() -> Sequence[User]:
    return [User(new_id(), f"Person {number}", f"person{number}@large.example") for number in range(PEOPLE)]


def _settings(data: KeptData, folder: Path, keycloak: RunningKeycloak, app: DownstreamApp) -> Mapping[str, str]:
    config = folder / "config.toml"
    config.write_text(f'[[apps]]\nid = "{WALLBOARD_ID}"\nname = "Wallboard"\nstart_url = "{app.start_url}"\n')
    return {
        "BROKER_KEYCLOAK_URL": keycloak.url,
        "BROKER_KEYCLOAK_CLIENT_SECRET": keycloak.broker_secret,
        "BROKER_KEYCLOAK_LAUNCH_CLIENT_SECRET": keycloak.launch_secret,
        "BROKER_TALKDESK_INSECURE": "1",
        "BROKER_TALKDESK_GATEWAYS": "127.0.0.1",
        "BROKER_TALKDESK_HOSTS": "127.0.0.1",
        "BROKER_CONFIG_FILE": str(config),
        **data.settings,
    }
