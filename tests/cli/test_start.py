"""What stops the start of the service: one line that says what to do, and exit code 2. And `broker database upgrade`."""

import asyncio
import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import URL, text

from broker import logs
from broker.storage.database import is_current, open_database
from broker.storage.stores import Stores
from tests.cli.conftest import Commands
from tests.contracts.stores import installed, receive
from tests.postgresql_server import PostgresqlServer

OTHER_KEY = base64.b64encode(bytes(32)).decode()


@pytest.fixture(autouse=True)
def settings(commands: Commands, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """All that the service demands; what listens is never reached."""
    config = tmp_path_factory.mktemp("settings") / "config.toml"
    config.write_text('[[apps]]\nid = "app1"\nname = "Wallboard"\nstart_url = "https://wallboard.example/login"\n')
    monkeypatch.setattr(logs, "configure", lambda: None)
    for name, value in {
        "CONFIG_FILE": str(config),
        "PUBLIC_URL": "https://broker.example",
        "KEYCLOAK_URL": "https://keycloak.example",
        "KEYCLOAK_CLIENT_SECRET": "secret-one",
        "KEYCLOAK_LAUNCH_CLIENT_SECRET": "secret-two",
    }.items():
        monkeypatch.setenv(f"BROKER_{name}", value)


@pytest.fixture
def empty(postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[URL]:
    """A PostgreSQL database without a schema, and the keys that one needs."""
    url = postgresql.make_database()
    monkeypatch.setenv("BROKER_DATABASE_URL", url.render_as_string(hide_password=False))
    monkeypatch.setenv("BROKER_SEALING_KEYS", f"a:{OTHER_KEY}")
    yield url
    postgresql.drop_database(url)


async def refusal(commands: Commands, *command: str) -> str:
    """The one line of a command that ends with 2."""
    said = (await commands.run(*command, exit_code=2)).strip()
    assert "\n" not in said
    return said


NEWER = "UPDATE alembic_version SET version_num = '9999'"


async def change(url: str, statement: str) -> None:
    """What no command does."""
    database = open_database(url)
    await database.write(lambda connection: connection.execute(text(statement)))
    await database.close()


def sqlite_url(folder: Path) -> str:
    """The database of these tests."""
    return f"sqlite:///{folder / 'broker.sqlite3'}"


@pytest.mark.postgresql
async def test_a_schema_that_is_too_old_stops_the_start(empty: URL, commands: Commands) -> None:
    """The line names the command; the command brings it up to date, once."""
    for command in (("serve", "--port", "0"), ("events", "list"), ("keys", "status")):
        assert "`broker database upgrade`" in await refusal(commands, *command)
    assert "is now this version's" in await commands.run("database", "upgrade")
    assert "is this version's already" in await commands.run("database", "upgrade")
    assert await commands.objects("events", "list") == []


@pytest.mark.postgresql
async def test_a_schema_that_is_too_new_stops_the_start(empty: URL, commands: Commands) -> None:
    """On PostgreSQL, where a newer version may be serving: the older one says so, and `upgrade` too."""
    await commands.run("database", "upgrade")
    await change(empty.render_as_string(hide_password=False), NEWER)
    for command in (("serve", "--port", "0"), ("database", "upgrade"), ("events", "list")):
        assert "newer than this version" in await refusal(commands, *command)


async def test_a_too_new_file_stops_the_start(stores: Stores, commands: Commands, tmp_path: Path) -> None:
    """On SQLite too, although the service upgrades an older one by itself."""
    await change(sqlite_url(tmp_path), NEWER)
    for command in (("serve", "--port", "0"), ("database", "upgrade"), ("events", "list")):
        assert "newer than this version" in await refusal(commands, *command)


async def test_upgrade_works_on_a_file(commands: Commands, tmp_path: Path) -> None:
    """One that is there; it makes none."""
    assert "no database" in await commands.run("database", "upgrade", exit_code=1)
    assert await asyncio.to_thread(lambda: [*tmp_path.iterdir()]) == []
    database = open_database(sqlite_url(tmp_path))
    await database.write(lambda connection: None)
    assert "is now this version's" in await commands.run("database", "upgrade")
    assert await is_current(database)
    await database.close()


async def test_a_lost_key_stops_the_start_and_none_is_made(stores: Stores, commands: Commands, tmp_path: Path) -> None:
    """Another one would open nothing, and hide that the right one is lost."""
    made = tmp_path / "sealing.keys"
    made.unlink()
    said = await refusal(commands, "serve", "--port", "0")
    assert str(made) in said
    assert "BROKER_SEALING_KEYS" in said
    assert not made.exists()


@pytest.mark.parametrize("same_id", [False, True], ids=["missing", "another of the same id"])
async def test_a_key_in_use_can_not_be_dropped(
    stores: Stores, commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, same_id: bool
) -> None:
    """The line names the key that has to come back, and no part of one; a single event's body is enough."""
    await receive(stores, installed())
    # The issuer's key is read at every start, and would stop it by itself.
    await change(sqlite_url(tmp_path), "DELETE FROM issuer_key")
    in_use = (tmp_path / "sealing.keys").read_text().partition(":")[0]
    monkeypatch.setenv("BROKER_SEALING_KEYS", f"{in_use if same_id else 'other'}:{OTHER_KEY}")
    said = await refusal(commands, "serve", "--port", "0")
    assert repr(in_use) in said
    assert OTHER_KEY not in said


async def test_what_is_no_key_stops_the_start(
    stores: Stores, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Said by its setting."""
    monkeypatch.setenv("BROKER_SEALING_KEYS", "a:short")
    assert "BROKER_SEALING_KEYS: entry 1" in await refusal(commands, "serve", "--port", "0")
