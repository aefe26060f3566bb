"""What a broker process lives among: stand-in Talkdesk, imitated Keycloak, an app behind it, a database.

Owns: putting it together, and the address under which one or several broker processes are found.
Leaves to others: the processes (`tests.processes`), what happens to them.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from demo.app import DownstreamApp
from demo.talkdesk import WALLBOARD_ID, StandIn, apps_at
from tests.crashes.balancer import Balancer
from tests.fakes.keycloak import KeycloakImitation
from tests.kept_data import KeptData
from tests.processes import BrokerProcess

LEASE_S = 5
"""Of the brokers here: their tests wait for leases of processes that are dead."""
RETRY_FACTOR = 0.004
"""Talkdesk's retries come after 1.2 and 2.4 s instead of 5 and 10 minutes; after these it gives up, as ever."""


@dataclass
class Surroundings:
    """Everything but the broker; all processes of it are found at `balancer.url`."""

    folder: Path
    talkdesk: StandIn
    keycloak: KeycloakImitation
    wallboard: DownstreamApp
    data: KeptData
    balancer: Balancer
    brokers: list[BrokerProcess] = field(default_factory=list)

    def broker(
        self, name: str = "broker", *, within: Sequence[str] = (), settings: Mapping[str, str] | None = None
    ) -> BrokerProcess:
        """A process that is not started yet; it ends with the test, however that ends."""
        process = BrokerProcess(self.settings() | dict(settings or {}), self.folder / f"{name}.log", within=within)
        self.brokers.append(process)
        self.balancer.ports.append(process.port)
        return process

    def settings(self) -> dict[str, str]:
        """Environment of a process of the broker."""
        config = self.folder / "config.toml"
        config.write_text(
            f'[[apps]]\nid = "{WALLBOARD_ID}"\nname = "Wallboard"\nstart_url = "{self.wallboard.start_url}"\n'
        )
        return {
            "BROKER_PUBLIC_URL": self.balancer.url,
            "BROKER_KEYCLOAK_URL": self.keycloak.url,
            "BROKER_KEYCLOAK_CLIENT_SECRET": "secret-of-broker",
            "BROKER_KEYCLOAK_LAUNCH_CLIENT_SECRET": "secret-of-launch",
            "BROKER_TALKDESK_INSECURE": "1",
            "BROKER_TALKDESK_GATEWAYS": "127.0.0.1",
            "BROKER_TALKDESK_HOSTS": "127.0.0.1",
            "BROKER_CONFIG_FILE": str(config),
            "BROKER_LEASE_SECONDS": str(LEASE_S),
            **self.data.settings,
        }


@asynccontextmanager
async def surroundings(folder: Path, data: KeptData) -> AsyncIterator[Surroundings]:
    """All of it started, and ended with every process that it was asked for."""
    async with Balancer() as balancer, KeycloakImitation() as keycloak:
        keycloak.set_launch_redirect_uris(f"{balancer.url}/launch/return")
        app = DownstreamApp(
            name="Wallboard", issuer=keycloak.realm_url, client_id="wallboard", client_secret="secret-of-Wallboard"
        )
        keycloak.register_app(app.client_id, app.client_secret, (app.redirect_uri,), app.backchannel_logout_url)
        talkdesk = StandIn(apps=apps_at(balancer.url), retry_factor=RETRY_FACTOR)
        await app.start()
        await talkdesk.start()
        made = Surroundings(folder, talkdesk, keycloak, app, data, balancer)
        try:
            yield made
        finally:
            for broker in made.brokers:
                broker.kill()
            await talkdesk.stop()
            await app.stop()
