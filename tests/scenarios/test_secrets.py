"""No secret in clear: not in a log line, not in the database file, not in Keycloak's identity provider."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker import logs
from demo.talkdesk import ACME, ANA, Installation
from demo.talkdesk.wire import Endpoint
from tests.fakes.keycloak import KeycloakImitation
from tests.waiting import eventually
from tests.world import World


@pytest.fixture
def log_lines(capfd: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    """Logging as the service does it, to standard error, with everything that libraries say."""
    before = logging.getLogger().handlers
    logs.configure(readable=False)
    yield capfd
    logging.getLogger().handlers = before


def secrets_of(installation: Installation) -> list[str]:
    """What Talkdesk gave to the installation."""
    data = json.loads(installation.deliveries[0].event.body)["data"]
    return [data["client_secret"], data["private_key"], data["private_key"][40:80]]


def files_of_database(folder: Path) -> bytes:
    """Everything that the database has on disk."""
    return b"".join(path.read_bytes() for path in folder.glob("broker.sqlite3*"))


async def test_known_secrets_are_found_nowhere(
    log_lines: pytest.CaptureFixture[str], world: World, keycloak: KeycloakImitation, tmp_path: Path
) -> None:
    """An install, a launch, failures, a sign-out and an uninstall; then a search of everything that was written."""
    installation = await world.install(ACME)
    secrets = secrets_of(installation)
    browser = world.browser(ANA)
    page = await world.launch(browser, installation, ANA)
    travelled = [url.partition("code=")[2].partition("&")[0] for url in page.chain if "code=" in url]
    world.talkdesk.faults.next(Endpoint.TOKEN, 500)
    await world.launch(world.browser(ANA), installation, ANA)
    provider = json.dumps([each.representation for each in keycloak.identity_providers.values()])
    await world.talkdesk.user_logout(ANA)
    await world.signed_out(world.wallboard)
    written = files_of_database(tmp_path)
    await world.talkdesk.uninstall(installation)
    await eventually(lambda: not keycloak.identity_providers, what="the identity provider is gone")
    logged = log_lines.readouterr()
    lines = logged.err + logged.out
    assert "event taken" in lines, "the log is there to be searched"
    assert installation.id.encode() in written, "the database is there to be searched"
    assert len(travelled) >= 3
    for secret in (*secrets, world.realm.broker_secret, world.realm.launch_secret, *travelled):
        assert secret not in lines
        assert secret.encode() not in written
        assert secret not in provider
