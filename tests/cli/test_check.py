"""`broker check` as a command: what it prints, and how it ends. What its lines say is in tests/scenarios/test_check.py."""

from pathlib import Path

import pytest

from broker.storage.stores import Stores
from tests.cli.conftest import Commands


async def test_wrong_settings_have_a_line_each(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 2, as JSON too."""
    monkeypatch.setenv("BROKER_PORT", "many")
    monkeypatch.setenv("BROKER_PUBLIC_URI", "x")
    said = await commands.run("check", exit_code=2)
    assert "BROKER_PORT" in said
    assert "BROKER_PUBLIC_URI" in said
    assert '"verdict": "wrong"' in await commands.run("check", "--json", exit_code=2)


async def test_what_is_wrong_is_said_with_the_mend(
    stores: Stores, commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1: nobody is at Keycloak's address."""
    config = tmp_path / "config.toml"
    config.write_text('[[apps]]\nid = "app1"\nname = "Wallboard"\nstart_url = "https://wallboard.example/login"\n')
    for name, value in {
        "CONFIG_FILE": str(config),
        "PUBLIC_URL": "http://127.0.0.1:9",
        "KEYCLOAK_URL": "http://127.0.0.1:9",
        "KEYCLOAK_CLIENT_SECRET": "secret-one",
        "KEYCLOAK_LAUNCH_CLIENT_SECRET": "secret-two",
        "TALKDESK_GATEWAYS": "127.0.0.1",
        "TALKDESK_HOSTS": "127.0.0.1",
    }.items():
        monkeypatch.setenv(f"BROKER_{name}", value)
    said = await commands.run("check", exit_code=1)
    assert "start Keycloak" in said
    assert "secret-" not in said
