"""`broker audit`: who did what is on record, also where it failed or was killed."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import insert

from broker.storage import schema
from broker.storage.database import open_database
from broker.storage.stores import Stores
from tests.cli.conftest import Commands
from tests.contracts.stores import INSTALLATION, installed, receive


@pytest.fixture(autouse=True)
async def kept(stores: Stores, commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """One installation, and an operator with a name."""
    await receive(stores, installed())
    monkeypatch.setenv("BROKER_OPERATOR", "ana@laptop")


async def test_what_changes_something_is_on_record(commands: Commands) -> None:
    """Newest first: who, what, to what, and that it is done. Looking is not in it."""
    await commands.run("installations", "suspend", INSTALLATION, "--yes")
    await commands.run("installations", "list")
    await commands.run("installations", "resume", INSTALLATION)
    await commands.run("events", "retry", "1")
    await commands.run("keys", "rotate")
    acts = await commands.objects("audit", "list")
    assert [act["command"] for act in acts] == [
        "keys rotate",
        "events retry",
        "installations resume",
        "installations suspend",
    ]
    assert {(act["who"], act["outcome"]) for act in acts} == {("ana@laptop", "done")}
    assert [act["about"] for act in acts[1:]] == ["event 1", INSTALLATION, INSTALLATION]


async def test_what_was_refused_by_its_operator_is_not_done_and_not_on_record(commands: Commands) -> None:
    """No answer is no."""
    await commands.run("installations", "suspend", INSTALLATION, exit_code=1, answer="n\n")
    assert await commands.objects("audit", "list") == []


async def test_what_failed_is_on_record_as_failed(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begun and not ended is what a killed command leaves."""

    async def fails(*_: object) -> None:
        raise OSError

    monkeypatch.setattr("broker.cli.installations.SqlInstallations.suspend", fails)
    await commands.run("installations", "suspend", INSTALLATION, "--yes", exit_code=1)
    [act] = await commands.objects("audit", "list")
    assert (act["command"], act["outcome"]) == ("installations suspend", "failed")


async def test_what_can_not_be_put_on_record_is_not_done(
    commands: Commands, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The installation stays open."""

    async def fails(*_: object) -> int:
        raise OSError

    monkeypatch.setattr("broker.cli.audit.SqlAudit.begin", fails)
    await commands.run("installations", "suspend", INSTALLATION, "--yes", exit_code=1)
    [shown] = await commands.objects("installations", "show", INSTALLATION)
    assert shown["state"] == "active"


async def test_without_a_name_it_is_the_user_of_the_system(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the one who became that user by `sudo`."""
    monkeypatch.delenv("BROKER_OPERATOR")
    monkeypatch.setenv("SUDO_USER", "bruno")
    await commands.run("keys", "rotate")
    [act] = await commands.objects("audit", "list")
    assert act["who"].startswith("bruno@")


async def test_a_long_record_comes_page_by_page(commands: Commands, tmp_path: Path) -> None:
    """All of it, each once."""
    database = open_database(f"sqlite:///{tmp_path / 'broker.sqlite3'}")
    rows = [
        {"at": datetime.now(UTC), "who": "x", "command": "c", "about": str(number), "outcome": "done"}
        for number in range(250)
    ]
    await database.write(lambda connection: connection.execute(insert(schema.audit), rows))
    await database.close()
    assert len({act["number"] for act in await commands.objects("audit", "list", "--limit", "0")}) == 250
    assert len(await commands.objects("audit", "list", "--limit", "3")) == 3
