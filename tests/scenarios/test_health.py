"""Liveness, readiness, and the metrics of what a person on call looks at first."""

import math
from datetime import timedelta

import httpx
import pytest

from demo.talkdesk import ACME, ANA
from tests.fakes.keycloak import KeycloakImitation
from tests.scenarios.test_metrics import scrape
from tests.waiting import eventually
from tests.world import OpenWorld, World

pytestmark = pytest.mark.thorough


async def ask(world: World, path: str = "/health/ready") -> httpx.Response:
    """As a balancer does."""
    async with httpx.AsyncClient(trust_env=False, base_url=world.broker.listens_at) as client:
        return await client.get(path)


async def is_ready(world: World) -> bool:
    """By its status."""
    return (await ask(world)).status_code == 200


async def test_ready_has_a_line_with_its_time_for_each_dependency(world: World) -> None:
    """Database, Keycloak's keys, worker."""
    await eventually(lambda: is_ready(world), what="the broker is ready")
    lines = (await ask(world)).text.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["database", "keycloak keys", "worker"]
    assert all(" ok " in line and " ms" in line for line in lines)


async def test_it_starts_without_keycloak_and_is_ready_when_that_is_there(
    opened: OpenWorld, keycloak: KeycloakImitation
) -> None:
    """Meanwhile it lives, and takes events: what follows from them is done later."""
    await keycloak.down()
    async with opened() as world:
        answer = await ask(world)
        assert (answer.status_code, (await ask(world, "/health/live")).status_code) == (503, 200)
        assert "keycloak keys: failed (KeycloakError)" in answer.text
        installation = await world.talkdesk.install(ACME, world.talkdesk.app("Wallboard"))
        assert [each.is_accepted for each in world.talkdesk.deliveries] == [True]
        await keycloak.up()
        await eventually(lambda: is_ready(world), what="the broker is ready")
        await world.talkdesk.until_answered(installation, seconds=60)


async def test_it_stays_ready_without_keycloak_and_without_talkdesk(world: World, keycloak: KeycloakImitation) -> None:
    """With the keys that it has; taking every replica out of service would help nobody, and lose events."""
    await eventually(lambda: is_ready(world), what="the broker is ready")
    await keycloak.down()
    await world.talkdesk.stop()
    answer = await ask(world)
    await keycloak.up()
    assert answer.status_code == 200, answer.text


async def test_a_worker_that_stands_still_is_not_ready(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is taken would not be done. (It looks for work at least once a second.)"""
    monkeypatch.setattr("broker.app.routes._LONGEST_BEAT", timedelta(seconds=1.5))
    await eventually(lambda: is_ready(world), what="the broker is ready")
    world.broker.opened.worker.stop()
    await eventually(lambda: _is_still(world), what="readiness has noticed")
    assert (await scrape(world)).of("worker_beat_age_seconds") > 1


async def _is_still(world: World) -> bool:
    answer = await ask(world)
    return answer.status_code == 503 and "worker: failed" in answer.text


async def test_a_draining_broker_is_not_ready_and_keeps_no_connection(world: World) -> None:
    """It still serves."""
    world.broker.opened.draining.begin()
    answer = await ask(world)
    assert (answer.status_code, answer.headers["Connection"]) == (503, "close")
    assert (await ask(world, "/health/live")).status_code == 200


async def test_clocks_and_room_are_metrics(world: World) -> None:
    """Seen in what passes anyway, once somebody has signed on."""
    installation = await world.install(ACME)
    await world.launch(world.browser(), installation, ANA)
    seen = await scrape(world)
    for peer in ("keycloak", "talkdesk"):
        assert 0 <= seen.of("clock_ahead_seconds", peer=peer) < 3
    assert seen.of("data_free_bytes") > 0
    assert not math.isnan(seen.of("worker_beat_age_seconds"))
