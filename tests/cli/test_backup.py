"""`broker database backup`: a copy that a service can start on."""

from pathlib import Path

import pytest

from broker.model.event import EventState
from broker.storage.stores import Stores
from tests.cli.conftest import Commands
from tests.contracts.stores import INSTALLATION, installed, receive


async def test_a_copy_has_everything_as_of_then(
    stores: Stores, commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while somebody has the database open, and nothing of what comes later; brought back, it is a database as any other."""
    await receive(stores, installed())
    copy = tmp_path / "backup" / "broker.sqlite3"
    copy.parent.mkdir()
    await commands.run("database", "backup", str(copy))
    assert copy.stat().st_mode & 0o777 == 0o600
    await commands.run("installations", "suspend", INSTALLATION, "--yes")
    monkeypatch.setenv("BROKER_DATA_DIR", str(copy.parent))
    [shown] = await commands.objects("installations", "list")
    assert shown["state"] == "active"
    [event] = await commands.objects("events", "list")
    assert event["state"] == EventState.TAKEN.value


async def test_nothing_is_written_over(stores: Stores, commands: Commands, tmp_path: Path) -> None:
    """A backup least of all."""
    (tmp_path / "kept").write_text("precious")
    await commands.run("database", "backup", str(tmp_path / "kept"), exit_code=1)
    assert (tmp_path / "kept").read_text() == "precious"


async def test_postgresql_is_left_to_its_own_ways(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line says which."""
    monkeypatch.setenv("BROKER_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/broker")
    assert "pg_dump" in await commands.run("database", "backup", "copy", exit_code=1)
