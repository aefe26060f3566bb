"""What an operator meets: PostgreSQL away, Keycloak away, a clock that is off, a full disk, a wrong key.

Each is made, is seen in its line of `broker check` and in its metric, is mended, and is gone from both. docs/operations.md has a table of
them ("When something fails"), which a test compares with this.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import make_url

from demo.talkdesk import ACME, ANA, GLOBEX, Delivery, Installation
from tests.acceptance.keycloak_server import RunningKeycloak, known_of, local_server
from tests.acceptance.operated import Operated, operated
from tests.crashes.disk import Disk
from tests.kept_data import KeptData, kept_in_postgresql, kept_in_sqlite
from tests.postgresql_server import PostgresqlServer
from tests.waiting import eventually

NO_ROOM_MIB = 200
"""Of a disk that is not full: little enough for a warning, too much for more."""
_MOST_EVENTS = 1000
"""That find room on a full disk."""
KEY, ANOTHER_KEY = "one:" + "A" * 43 + "=", "one:" + "B" * 42 + "A="


@pytest.fixture
async def service(tmp_path: Path, keycloak: RunningKeycloak) -> AsyncIterator[Operated]:
    """A service on SQLite that is ready."""
    async with operated(tmp_path, keycloak, kept_in_sqlite(tmp_path)) as service:
        await service.broker.start()
        yield service


async def verdict(service: Operated, line: str) -> str:
    """Of one line of `broker check`."""
    found = (await service.check())[line]
    assert (found["mend"] is None) == (found["verdict"] == "ok"), "what is not as it should be has a mend"
    return str(found["verdict"])


async def until(service: Operated, line: str, wanted: str) -> None:
    """The line says so, at last."""

    async def says_so() -> bool:
        return await verdict(service, line) == wanted

    await eventually(says_so, what=f"{line} is {wanted}", seconds=60)


async def deliver_again(service: Operated, delivery: Delivery) -> bool:
    """As Talkdesk does after 5 and 10 minutes."""
    return (await service.talkdesk.deliver(delivery.event)).is_accepted


@pytest.mark.postgresql
async def test_postgresql_away(tmp_path: Path, keycloak: RunningKeycloak, postgresql: PostgresqlServer) -> None:
    """Events get 503, and are taken when it is back; the service needs no start."""
    url = postgresql.make_database()
    data = await kept_in_postgresql(url.render_as_string(hide_password=False), tmp_path)
    async with operated(tmp_path, keycloak, data) as service:
        await service.broker.start()
        assert await service.metric("database_up") == 1
        with postgresql.away(make_url(data.url)):
            installation = await service.talkdesk.install(ACME, service.talkdesk.app("Wallboard"))
            assert installation.deliveries[0].status == 503
            assert await verdict(service, "database") == "wrong"
            assert await service.metric("database_up") == 0
        await eventually(lambda: deliver_again(service, installation.deliveries[0]), what="the event is taken")
        await service.talkdesk.until_answered(installation, seconds=60)
        assert await verdict(service, "database") == "ok"
        assert await service.metric("database_up") == 1


async def test_keycloak_away(tmp_path: Path) -> None:
    """What is to be done there waits, and is done when it is back, also what came meanwhile."""
    server = local_server(engine="local")
    await asyncio.to_thread(server.start)
    try:
        async with operated(tmp_path, known_of(server), kept_in_sqlite(tmp_path)) as service:
            await service.broker.start()
            assert await verdict(service, "Keycloak") == "ok"
            await asyncio.to_thread(server.pause)
            installation = await service.talkdesk.install(ACME, service.talkdesk.app("Wallboard"))
            assert installation.deliveries[0].status == 202
            assert await verdict(service, "Keycloak") == "wrong"

            async def is_counted() -> bool:
                return (await service.metric("call_seconds_count", peer="keycloak", status="none") or 0) > 0

            await eventually(is_counted, what="a call without answer is counted")
            await asyncio.to_thread(server.start)
            await service.talkdesk.until_answered(installation, seconds=120)
            await until(service, "Keycloak", "ok")
            await service.until_arrives(installation, ANA)
    finally:
        await asyncio.to_thread(server.stop)


async def test_a_clock_that_is_five_minutes_off(tmp_path: Path, keycloak: RunningKeycloak) -> None:
    """Nobody signs on: already Talkdesk refuses assertions of the future. With the right time all is well."""
    async with operated(tmp_path, keycloak, kept_in_sqlite(tmp_path), module="tests.clock_off") as service:
        await service.broker.start()
        installation = await service.install(ACME)
        await service.broker.stop()
        service.settings["TEST_CLOCK_AHEAD_S"] = "300"
        await service.broker.start()
        assert not await service.arrives(installation, ANA)
        found = (await service.check())["Keycloak's clock"]
        assert (found["verdict"], "ahead" in found["found"], "NTP" in found["mend"]) == ("wrong", True, True)
        assert 295 < (await service.metric("clock_ahead_seconds", peer="talkdesk") or 0) < 310
        await service.broker.stop()
        service.settings["TEST_CLOCK_AHEAD_S"] = "0"
        await service.broker.start()
        await service.until_arrives(installation, ANA)
        assert await verdict(service, "Keycloak's clock") == "ok"
        for peer in ("keycloak", "talkdesk"):
            assert abs(await service.metric("clock_ahead_seconds", peer=peer) or 0) < 5


async def test_a_full_disk(tmp_path: Path, keycloak: RunningKeycloak) -> None:
    """Events get 503, once SQLite has used up what room it had left in its files; with room again everything goes on by itself."""
    disk = Disk(tmp_path / "disk", mib=NO_ROOM_MIB)
    data = KeptData("", {"BROKER_DATA_DIR": str(disk.folder)})
    async with operated(tmp_path, keycloak, data, within=disk.within) as service:
        await service.broker.start()
        service.beside = disk.seen_by(service.broker)
        await service.install(ACME)
        assert await verdict(service, "room") == "warning"
        disk.fill(service.broker)
        refused = await _until_refused(service)
        assert refused.deliveries[0].status == 503
        found = await service.check()
        assert found["room"]["verdict"] == "wrong"
        assert await service.metric("data_free_bytes") == 0
        disk.empty(service.broker)
        await eventually(lambda: deliver_again(service, refused.deliveries[0]), what="the event is taken")
        await service.talkdesk.until_answered(refused, seconds=60)
        found = await service.check()
        assert [found[line]["verdict"] for line in ("room", "writing")] == ["warning", "ok"]
        assert (await service.metric("data_free_bytes") or 0) > 0


async def _until_refused(service: Operated) -> Installation:
    """Installs, until one finds no room."""
    for _ in range(_MOST_EVENTS):
        installation = await service.talkdesk.install(GLOBEX, service.talkdesk.app("Wallboard"))
        if not installation.deliveries[0].is_accepted:
            return installation
    raise AssertionError(f"{_MOST_EVENTS} events found room on a full disk")


async def test_a_wrong_key(tmp_path: Path, keycloak: RunningKeycloak) -> None:
    """A service does not start with it and says why; Prometheus has no answer (`up` is 0). With the right one nothing is lost."""
    async with operated(tmp_path, keycloak, KeptData("", {"BROKER_DATA_DIR": str(tmp_path)})) as service:
        service.settings["BROKER_SEALING_KEYS"] = KEY
        await service.broker.start()
        installation = await service.install(ACME)
        await service.broker.stop()
        service.settings["BROKER_SEALING_KEYS"] = ANOTHER_KEY
        service.broker.spawn()
        assert await service.broker.ended() == 2
        assert "is sealed with another key" in service.broker.log.read_text().splitlines()[-1]
        with pytest.raises(httpx.ConnectError):
            await service.metric("database_up")
        assert await verdict(service, "sealing keys") == "wrong"
        service.settings["BROKER_SEALING_KEYS"] = KEY
        await service.broker.start()
        assert await verdict(service, "sealing keys") == "ok"
        await service.until_arrives(installation, ANA)
