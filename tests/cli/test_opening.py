"""What all commands on the database share: settings, exit codes, help."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from broker.cli import app
from broker.storage.database import open_database
from broker.storage.stores import Stores
from tests.cli.conftest import Commands
from tests.contracts.stores import INSTALLATION, installed, receive, uninstalled

LISTS = [(group, "list") for group in ("events", "installations", "accounts", "failures")]


@pytest.mark.parametrize("command", LISTS)
async def test_only_the_settings_of_the_database_are_demanded(
    stores: Stores, commands: Commands, command: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No Keycloak, no configuration file, no sealing key; what is wrong with others is no matter here."""
    monkeypatch.setenv("BROKER_PUBLIC_URL", "ftp://nowhere")
    monkeypatch.setenv("BROKER_SEALING_KEYS", "of-another:database")
    assert await commands.objects(*command) == []


@pytest.mark.parametrize("command", LISTS)
async def test_a_misspelt_setting_ends_with_2(
    commands: Commands, command: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be the one that was meant to name the database."""
    monkeypatch.setenv("BROKER_DATABASE", "sqlite:///x")
    assert "BROKER_DATABASE: there is no such setting" in await commands.run(*command, exit_code=2)


@pytest.mark.parametrize("command", LISTS)
async def test_a_command_makes_no_database(commands: Commands, command: tuple[str, str], tmp_path: Path) -> None:
    """In the wrong folder it says so, and leaves nothing behind."""
    assert str(tmp_path) in await commands.run(*command, exit_code=1)
    assert await asyncio.to_thread(lambda: [*tmp_path.iterdir()]) == []


async def test_a_schema_of_another_version_is_refused(commands: Commands, tmp_path: Path) -> None:
    """Before anything is read."""
    database = open_database(f"sqlite:///{tmp_path / 'broker.sqlite3'}")
    await database.write(lambda connection: None)
    await database.close()
    assert "schema" in await commands.run("events", "list", exit_code=2)


async def test_a_command_makes_no_sealing_key(stores: Stores, commands: Commands, tmp_path: Path) -> None:
    """Another key would seal what the service can't open."""
    await receive(stores, installed())
    await receive(stores, uninstalled())
    (tmp_path / "sealing.keys").unlink()
    text = await commands.run("installations", "forget", INSTALLATION, "--yes", exit_code=2)
    assert "BROKER_SEALING_KEYS" in text
    assert not (tmp_path / "sealing.keys").exists()


def all_commands() -> Iterator[tuple[str, Any]]:
    """Every command and group, by its words."""

    def below(words: str, command: Any) -> Iterator[tuple[str, Any]]:
        yield words, command
        for name, inner in getattr(command, "commands", {}).items():
            yield from below(f"{words} {name}".strip(), inner)

    return below("", typer.main.get_command(app))


@pytest.mark.parametrize(("words", "command"), [pytest.param(*each, id=each[0] or "broker") for each in all_commands()])
async def test_every_command_explains_itself(commands: Commands, words: str, command: Any) -> None:
    """In a whole sentence, and each of its arguments and options too."""
    assert command.help.split("\n\n")[0].strip().endswith(".")
    for parameter in command.params:
        assert parameter.help, f"{words} {parameter.name}"
    text = await commands.run(*words.split(), "--help")
    assert " ".join(command.help.split()[:4]) in text
