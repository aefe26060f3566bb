"""A vendor with thousands of customers: Keycloak and the broker on PostgreSQL, the broker in a process of its own.

Owns: putting it together, customers with one person and one installation each, and what an operator runs beside the service.
Leaves to others: what has to come of it. Also measured by `benchmarks/installations`.
"""

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from demo.app import DownstreamApp
from demo.browser import Browser, Page
from demo.talkdesk import WALLBOARD_ID, Account, Installation, InstallationState, StandIn, User, apps_at
from demo.talkdesk.keys import new_id
from tests.acceptance.keycloak_server import RunningKeycloak, known_of, local_server
from tests.kept_data import KeptData, kept_in_postgresql
from tests.postgresql_server import PostgresqlServer
from tests.processes import ROOT, BrokerProcess, memory_of
from tests.waiting import eventually_all

AT_ONCE = 8
"""Events that are sent side by side; what they ask for piles up at the broker meanwhile."""
PATIENCE_S = 120
"""How long nothing may get on."""
_LOOK_EVERY_S = 0.02


@dataclass
class Vendor:
    """Everything that takes part."""

    folder: Path
    keycloak: RunningKeycloak
    talkdesk: StandIn
    wallboard: DownstreamApp
    data: KeptData
    broker: BrokerProcess
    environment: dict[str, str] = field(repr=False)
    """Of the broker, and of the commands beside it."""
    installations: list[Installation] = field(default_factory=list)

    async def grow(self, number: int) -> None:
        """So many customers more, each with one installation, approved at Talkdesk when this returns."""
        app = self.talkdesk.app("Wallboard")
        first = len(self.installations)
        numbers = iter(range(first, first + number))

        async def install_one_after_the_other() -> None:
            for each in numbers:
                installation = await self.talkdesk.install(self._customer(each), app)
                assert installation.deliveries[-1].status == 202, installation.deliveries[-1]
                self.installations.append(installation)

        await asyncio.gather(*(install_one_after_the_other() for _ in range(AT_ONCE)))
        total = first + number
        await eventually_all(self.approved, total, what="installations are approved", seconds=PATIENCE_S)

    def approved(self) -> int:
        """How many installations Talkdesk heard of that they are set up."""
        return sum(each.state is InstallationState.APPROVED for each in self.installations)

    def browser(self, user: User) -> Browser:
        """A new browser, in which this person is signed in to Talkdesk; the caller closes it."""
        browser = Browser()
        self.talkdesk.sign_in(browser, user)
        return browser

    async def launch(self, browser: Browser, installation: Installation) -> Page:
        """The customer's person clicks the icon, and is in the app."""
        user = installation.users[0]
        page = await browser.open(self.talkdesk.launch_url(installation, user), on=self.talkdesk.url)
        assert (page.status, page.url) == (200, f"{self.wallboard.url}/"), page.text
        assert user.name in page.text
        return page

    async def command(self, *arguments: str) -> "Ended":
        """`broker …`, or another program of ours, in a process of its own with the broker's settings."""
        return await asyncio.to_thread(self._run, arguments)

    def _run(self, arguments: Sequence[str]) -> "Ended":
        with (self.folder / "command.out").open("w+b") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", *arguments], env=self.environment, cwd=ROOT, stdout=output, stderr=output
            )
            peak = 0
            while process.poll() is None:
                peak = memory_of(process.pid, "VmHWM") or peak
                time.sleep(_LOOK_EVERY_S)
            output.seek(0)
            return Ended(process.returncode, output.read().decode(), peak)

    def _customer(self, number: int) -> Account:
        user = User(new_id(), f"Agent of {number}", f"agent@customer{number}.example")
        account = Account(new_id(), f"customer{number}", f"Customer {number}", (user,))
        self.talkdesk.state.accounts[account.slug] = account
        return account


@dataclass(frozen=True)
class Ended:
    """A command that has come to its end."""

    exit_code: int
    output: str
    peak_bytes: int
    """The most memory that it had in RAM, a moment before its end."""


@asynccontextmanager
async def vendor(folder: Path, postgresql: PostgresqlServer) -> AsyncIterator[Vendor]:
    """All of it started, without customers, and ended."""
    server = local_server(postgresql.make_database(), environment=_cache_settings())
    try:
        await asyncio.to_thread(server.start)
        url = postgresql.make_database().render_as_string(hide_password=False)
        data = await kept_in_postgresql(url, folder)
        async with _around(folder, known_of(server), data) as made:
            yield made
    finally:
        await asyncio.to_thread(server.stop)


@asynccontextmanager
async def _around(folder: Path, keycloak: RunningKeycloak, data: KeptData) -> AsyncIterator[Vendor]:
    app = DownstreamApp(
        name="Wallboard", issuer=keycloak.realm_url, client_id="wallboard", client_secret="secret-of-Wallboard"
    )
    settings = _settings(folder, keycloak, data, app)
    broker = BrokerProcess(settings, folder / "broker.log")
    talkdesk = StandIn(apps=apps_at(broker.url))
    await keycloak.point_to(broker.url)
    await keycloak.register_app(app)
    await app.start()
    await talkdesk.start()
    environment = {"PATH": os.environ["PATH"], "BROKER_PUBLIC_URL": broker.url, **settings}
    try:
        await broker.start()
        yield Vendor(folder, keycloak, talkdesk, app, data, broker, environment)
    finally:
        broker.kill()
        await talkdesk.stop()
        await app.stop()


def _cache_settings() -> dict[str, str]:
    """Keycloak's, as `docker-compose.yml` has them."""
    found = dict(
        re.findall(r'^      (KC_CACHE_\w+): "(\d+)"', (ROOT / "docker-compose.yml").read_text("utf-8"), re.MULTILINE)
    )
    assert found
    return found


def _settings(folder: Path, keycloak: RunningKeycloak, data: KeptData, app: DownstreamApp) -> dict[str, str]:
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
