"""A service as an operator has it: a process of its own on its database, a real Keycloak, and commands typed beside it.

Owns: the process, its settings, what its commands and `/metrics` say. Leaves to others: what happens to it.
"""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from demo.app import DownstreamApp
from demo.browser import Browser, Page
from demo.talkdesk import NOTES_ID, WALLBOARD_ID, Installation, StandIn, User, apps_at
from tests.kept_data import KeptData
from tests.processes import ROOT, BrokerProcess
from tests.waiting import eventually
from tests.world import Realm

_SECONDS = 120


@dataclass
class Operated:
    """Everything that takes part. The service is not started yet."""

    folder: Path
    realm: Realm
    talkdesk: StandIn
    wallboard: DownstreamApp
    notes: DownstreamApp
    data: KeptData
    broker: BrokerProcess
    module: str = "broker"
    """What `python -m` runs as a command."""
    beside: Sequence[str] = ()
    """What a command of ours is run by: where the service sees a disk that others don't, it has to as well."""
    browsers: list[Browser] = field(default_factory=list)

    @property
    def settings(self) -> dict[str, str]:
        """Environment of the service and of commands; changed, it holds from the next start and command on."""
        return self.broker.environment

    async def command(self, *arguments: str, exit_code: int = 0, more: Mapping[str, str] | None = None) -> str:
        """What `broker …` printed. `more`: variables of this command alone."""
        return (await self._run(arguments, exit_code, more)).stdout

    async def objects(self, *arguments: str, exit_code: int = 0) -> list[dict[str, Any]]:
        """What it printed with `--json`."""
        found: list[dict[str, Any]] = json.loads((await self._run((*arguments, "--json"), exit_code)).stdout)
        return found

    async def check(self, more: Mapping[str, str] | None = None) -> Mapping[str, dict[str, Any]]:
        """Lines of `broker check`, by what they are about. `more`: as for `command`."""
        ended = await self._run(("check", "--json"), None, more)
        return {line["check"]: line for line in json.loads(ended.stdout)}

    async def metric(self, name: str, **labels: str) -> float | None:
        """The value of a sample at `/metrics`; None where there is none."""
        async with httpx.AsyncClient(trust_env=False) as client:
            text = (await client.get(f"{self.broker.url}/metrics")).raise_for_status().text
        for line in text.splitlines():
            sample = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            known = dict(re.findall(r'(\w+)="([^"]*)"', sample[2] or "")) if sample else {}
            if sample and sample[1] == f"talkdesk_broker_{name}" and labels.items() <= known.items():
                return float(sample[3])
        return None

    async def install(self, account: Any, app: str = "Wallboard") -> Installation:
        """Install, and wait until the broker has approved it."""
        installation = await self.talkdesk.install(account, self.talkdesk.app(app))
        await self.talkdesk.until_answered(installation, seconds=60)
        return installation

    def browser(self, user: User) -> Browser:
        """A new browser, in which this person is signed in to Talkdesk."""
        browser = Browser()
        self.browsers.append(browser)
        self.talkdesk.sign_in(browser, user)
        return browser

    async def launch(self, installation: Installation, user: User, browser: Browser | None = None) -> Page:
        """Click the app's icon."""
        browser = browser or self.browser(user)
        return await browser.open(self.talkdesk.launch_url(installation, user), on=self.talkdesk.url)

    async def arrives(self, installation: Installation, user: User) -> bool:
        """Whether a launch ends in the app."""
        return (await self.launch(installation, user)).url == f"{self.app_of(installation).url}/"

    async def until_arrives(self, installation: Installation, user: User) -> None:
        """A launch ends in the app, at last."""
        await eventually(lambda: self.arrives(installation, user), what=f"{user.name} is in the app", seconds=60)

    def app_of(self, installation: Installation) -> DownstreamApp:
        """Which of the two it is."""
        return self.wallboard if installation.app.name == self.wallboard.name else self.notes

    async def _run(
        self, arguments: tuple[str, ...], exit_code: int | None, more: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        ended = await asyncio.to_thread(
            subprocess.run,
            [*self.beside, sys.executable, "-m", self.module, *arguments],
            env=self.settings | dict(more or {}),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
        )
        assert "Traceback" not in ended.stderr, ended.stderr
        assert exit_code is None or ended.returncode == exit_code, ended.stdout + ended.stderr
        return ended


@asynccontextmanager
async def operated(
    folder: Path,
    realm: Realm,
    data: KeptData,
    changed: Mapping[str, str] | None = None,
    *,
    within: Sequence[str] = (),
    relayed: bool = False,
    module: str = "broker",
) -> AsyncIterator[Operated]:
    """All of it but the service started, and ended with the service. `relayed`: Wallboard's logouts go through the broker."""
    apps = [
        DownstreamApp(name=name, issuer=realm.realm_url, client_id=name.lower(), client_secret=f"secret-of-{name}")
        for name in ("Wallboard", "Notes")
    ]
    settings = _settings(folder, realm, apps, relayed=relayed) | dict(data.settings) | dict(changed or {})
    broker = BrokerProcess(settings, folder / "broker.log", within=within, module=module)
    public_url = broker.environment["BROKER_PUBLIC_URL"]
    talkdesk = StandIn(apps=apps_at(public_url))
    await realm.point_to(public_url)
    for app in apps:
        is_relayed = relayed and app is apps[0]
        await realm.register_app(app, f"{public_url}/relay/{app.client_id}" if is_relayed else None)
        await app.start()
    await talkdesk.start()
    made = Operated(folder, realm, talkdesk, apps[0], apps[1], data, broker, module)
    try:
        yield made
    finally:
        broker.kill()
        for browser in made.browsers:
            await browser.close()
        await talkdesk.stop()
        for app in apps:
            await app.stop()


def _settings(folder: Path, realm: Realm, apps: Sequence[DownstreamApp], *, relayed: bool) -> dict[str, str]:
    config = folder / "config.toml"
    tables = [
        f'[[apps]]\nid = "{app_id}"\nname = "{app.name}"\nstart_url = "{app.start_url}"\n'
        f'support = {{ email = "help@example.com" }}\n'
        for app_id, app in zip((WALLBOARD_ID, NOTES_ID), apps, strict=True)
    ]
    relay = (
        '[[relays]]\nslug = "{0.client_id}"\nclient_id = "{0.client_id}"\nlogout_url = "{0.backchannel_logout_url}"\n'
    )
    config.write_text("".join((*tables, relay.format(apps[0]) if relayed else "")))
    return {
        "BROKER_KEYCLOAK_URL": realm.url,
        "BROKER_KEYCLOAK_CLIENT_SECRET": realm.broker_secret,
        "BROKER_KEYCLOAK_LAUNCH_CLIENT_SECRET": realm.launch_secret,
        "BROKER_TALKDESK_INSECURE": "1",
        "BROKER_TALKDESK_GATEWAYS": "127.0.0.1",
        "BROKER_TALKDESK_HOSTS": "127.0.0.1",
        "BROKER_CONFIG_FILE": str(config),
        "BROKER_LEASE_SECONDS": "5",
        "BROKER_RECONCILE_HOURS": "0",
    }
