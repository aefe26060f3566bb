"""docker-compose.yml as it is, on a machine with Docker: `make test-docker`. Takes the ports that the demo takes.

It was written where no engine is: what docs/operations.md says of it is that nobody ran it there.
"""

import json
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from tests.processes import ROOT

pytestmark = [pytest.mark.docker, pytest.mark.timeout(1800)]

COMPOSE = ("docker", "compose", "--env-file", "deploy/demo/demo.env", "--profile", "demo")
ADDRESS = "https://{}.localhost:8443"


def run(*command: str, check: bool = True) -> str:
    """What it printed."""
    done = subprocess.run(command, cwd=ROOT, check=check, stdout=subprocess.PIPE, text=True, timeout=1500)
    return done.stdout


@pytest.fixture(scope="module", autouse=True)
def up() -> Iterator[None]:
    """Everything, with the profile `demo`; its volumes go with it."""
    run("sh", "deploy/make-secrets.sh", "--demo")
    try:
        run(*COMPOSE, "up", "--build", "--detach", "--wait")
        yield
    finally:
        run(*COMPOSE, "down", "--volumes", check=False)


def ask(name: str, path: str) -> httpx.Response:
    """Through the proxy, as a browser does."""
    with httpx.Client(verify=str(ROOT / "secrets" / "ca.crt"), trust_env=False) as client:
        return client.get(f"{ADDRESS.format(name)}{path}")


def test_the_check_finds_nothing_wrong() -> None:
    """From inside a broker: database, keys, clocks, Keycloak, and its way back to us."""
    lines = json.loads(run(*COMPOSE, "exec", "-T", "broker-1", "broker", "check", "--json"))
    assert [line for line in lines if line["verdict"] == "wrong"] == []


def test_the_proxy_passes_on_what_it_should() -> None:
    """And nothing for operators."""
    assert ask("broker", "/oidc/jwks").status_code == 200
    assert ask("broker", "/health/ready").status_code == 404
    assert ask("broker", "/metrics").status_code == 404
    assert ask("sso", "/realms/talkdesk/.well-known/openid-configuration").status_code == 200
    assert ask("sso", "/admin/master/console/").status_code == 404


def test_the_demo_answers() -> None:
    """Talkdesk's stand-in, and the app, which sends a browser to Keycloak."""
    assert ask("talkdesk", "/").status_code == 200
    assert ask("wallboard", "/login").headers["Location"].startswith(ADDRESS.format("sso"))


def test_one_broker_may_stop() -> None:
    """The other one answers."""
    run(*COMPOSE, "stop", "broker-1")
    assert ask("broker", "/oidc/jwks").status_code == 200
    run(*COMPOSE, "start", "broker-1")


def test_nothing_runs_as_root_or_writes_to_its_image() -> None:
    """The brokers."""
    assert run(*COMPOSE, "exec", "-T", "broker-2", "id", "-u").strip() == "10001"
    assert "Read-only" in run(*COMPOSE, "exec", "-T", "broker-2", "sh", "-c", "touch /x 2>&1 || true")
