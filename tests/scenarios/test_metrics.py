"""Metrics after a day in small, and commands beside the service that had it."""

import asyncio
import os
import sys
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from demo.talkdesk import ACME, ANA, WALLBOARD_ID
from demo.talkdesk.wire import Endpoint
from tests.cli.conftest import Commands
from tests.fakes.keycloak import KeycloakImitation
from tests.scenarios.test_secrets import secrets_of
from tests.waiting import eventually
from tests.world import World

pytestmark = pytest.mark.thorough

REPOSITORY = Path(__file__).parents[2]


class Samples:
    """One scrape."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._values = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def of(self, name: str, **labels: str) -> float:
        """A value; 0 where nothing was counted."""
        return self._values.get((f"talkdesk_broker_{name}", frozenset(labels.items())), 0)


async def scrape(world: World) -> Samples:
    """What an operator's Prometheus reads."""
    async with httpx.AsyncClient(base_url=world.broker.listens_at) as client:
        answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return Samples(answer.text)


async def run_command(folder: Path, *arguments: str) -> str:
    """What the command prints, as a process of its own with the settings of the database alone."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BROKER_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "broker",
        *arguments,
        cwd=REPOSITORY,
        env={**environment, "BROKER_DATA_DIR": str(folder)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0, printed.decode()
    return printed.decode()


async def test_what_happened_is_counted(world: World) -> None:
    """An install, a sign-on, a failed one, a sign-out."""
    installation = await world.install(ACME)
    await world.launch(world.browser(ANA), installation, ANA)
    world.talkdesk.faults.next(Endpoint.TOKEN, 500)
    await world.launch(world.browser(ANA), installation, ANA)
    await world.talkdesk.user_logout(ANA)
    await world.signed_out(world.wallboard)

    async def is_settled() -> bool:
        return (await scrape(world)).of("event_effect_seconds_count", type="user.logout") == 1

    await eventually(is_settled, what="the sign-out is done")
    samples = await scrape(world)
    assert samples.of("events_total", type="app.installed", outcome="taken") == 1
    assert samples.of("events_total", type="user.logout", outcome="taken") == 1
    assert samples.of("event_effect_seconds_count", type="app.installed") == 1
    assert 0 < samples.of("event_effect_seconds_sum", type="app.installed") < 60
    assert samples.of("task_runs_total", kind="converge", outcome="done") >= 1
    assert samples.of("task_runs_total", kind="answer", outcome="done") == 1
    assert samples.of("sign_ons_total", app=WALLBOARD_ID, outcome="signed on") == 1
    assert samples.of("sign_ons_total", app=WALLBOARD_ID, outcome="failed") == 1
    assert samples.of("sign_on_failures_total", app=WALLBOARD_ID, stage="callback", reason="talkdesk_failed") == 1
    assert samples.of("logout_tokens_total", status="200") >= 1
    for peer, operation, status in (
        ("keycloak", "create identity provider", "201"),
        ("keycloak", "token", "200"),
        ("keycloak", "realm keys", "200"),
        ("keycloak", "back-channel logout", "200"),
        ("talkdesk", "authorization code", "500"),
        ("talkdesk", "userinfo", "200"),
        ("talkdesk", "installation state", "200"),
    ):
        assert samples.of("call_seconds_count", peer=peer, operation=operation, status=status) >= 1, operation
    assert 'operation="other"' not in samples.text
    assert samples.of("database_up") == 1
    assert samples.of("tasks", kind="check", state="waiting") == 1, "the next day"
    assert samples.of("tasks", kind="converge", state="due") == 0


async def test_no_metric_names_a_person_an_installation_or_a_secret(world: World) -> None:
    """In no label."""
    installation = await world.install(ACME)
    await world.launch(world.browser(ANA), installation, ANA)
    await world.talkdesk.user_logout(ANA)
    await world.signed_out(world.wallboard)
    text = (await scrape(world)).text
    for word in (*secrets_of(installation), ANA.id, ANA.email, installation.id, ACME.id, world.realm.broker_secret):
        assert word not in text


async def test_refused_deliveries_are_counted_by_reason(world: World) -> None:
    """Whatever somebody sends: the label is ours."""
    async with httpx.AsyncClient(base_url=world.broker.listens_at) as client:
        await client.post("/talkdesk/events", content=b"{}")
        await client.post("/talkdesk/events", content=b" " * (256 * 1024 + 1))
    text = (await scrape(world)).text
    reasons = {line.partition('"')[2].partition('"')[0] for line in text.splitlines() if "refused_total{" in line}
    assert len(reasons) == 2
    assert "too_big" in reasons


async def test_a_backlog_is_seen_with_its_age(world: World, keycloak: KeycloakImitation) -> None:
    """What waits for another try, and that it was tried."""
    keycloak.fail("/admin/realms/talkdesk/identity-provider/instances", 503, method="POST")
    installation = await world.install(ACME)
    samples = await scrape(world)
    assert samples.of("task_runs_total", kind="converge", outcome="retried") == 1
    assert samples.of("call_seconds_count", peer="keycloak", operation="create identity provider", status="503") == 1
    assert installation.id not in samples.text


async def test_commands_work_beside_the_service(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None prints a secret, and what they ask for the service does."""
    installation = await world.install(ACME)
    world.talkdesk.faults.next(Endpoint.TOKEN, 500)
    await world.launch(world.browser(ANA), installation, ANA)
    monkeypatch.setenv("BROKER_DATA_DIR", str(tmp_path))
    commands = Commands()
    [failure] = await commands.objects("failures", "list")
    printed = await run_command(tmp_path, "events", "retry", "1")
    for arguments in (
        ("events", "list"),
        ("events", "show", "1"),
        ("events", "retry", "1"),
        ("installations", "list"),
        ("installations", "show", installation.id),
        ("accounts", "list"),
        ("failures", "list"),
        ("failures", "show", failure["reference"]),
    ):
        printed += await commands.run(*arguments) + await commands.run(*arguments, "--json")
    assert installation.id in printed
    for secret in (*secrets_of(installation), world.realm.broker_secret, world.realm.launch_secret):
        assert secret not in printed

    async def is_done_again() -> bool:
        return (await scrape(world)).of("task_runs_total", kind="converge", outcome="done") >= 2

    await eventually(is_done_again, what="the service has done what was asked for again")


async def test_the_service_lets_go_of_what_an_operator_forgets(
    world: World, keycloak: KeycloakImitation, tmp_path: Path
) -> None:
    """Nobody stays signed in, the identity provider goes, and the door is closed."""
    installation = await world.install(ACME)
    await world.launch(world.browser(ANA), installation, ANA)
    assert [session.claims["talkdesk_user_id"] for session in world.wallboard.signed_in] == [ANA.id]
    await run_command(tmp_path, "installations", "forget", installation.id, "--uninstall-was-lost", "--yes")
    await eventually(lambda: not keycloak.identity_providers, what="the identity provider is gone")
    await world.signed_out(world.wallboard)
    page = await world.launch(world.browser(ANA), installation, ANA)
    assert page.status == 403
