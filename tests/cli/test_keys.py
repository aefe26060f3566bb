"""`broker keys`, and what every other command and the service do with keys that don't fit."""

import base64
from pathlib import Path

import pytest

from broker.storage.stores import Stores
from tests.cli.conftest import Commands
from tests.contracts.stores import INSTALLATION, installed, receive

SECOND = base64.b64encode(bytes(range(32))).decode()


def first_key(folder: Path) -> str:
    """The key that was made for this database, as the settings have it."""
    return (folder / "sealing.keys").read_text().strip()


@pytest.fixture
def both(stores: Stores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A new key first, and the one that was made after it; the id of the latter."""
    monkeypatch.setenv("BROKER_SEALING_KEYS", f"second:{SECOND},{first_key(tmp_path)}")
    return first_key(tmp_path).partition(":")[0]


async def test_status_shows_which_key_seals_how_many_values(stores: Stores, commands: Commands, both: str) -> None:
    """A key that is given and not used yet is among them; no key is shown."""
    await receive(stores, installed())
    issuer, event, credentials = ("issuer keys", "bodies of events", "credentials")
    shown = await commands.objects("keys", "status")
    assert {(row["key"], row["role"], row["what"], row["values"]) for row in shown} == {
        (both, "opens", event, 1),
        (both, "opens", credentials, 1),
        (both, "opens", issuer, 1),
        ("second", "seals", "nothing", 0),
    }
    assert SECOND not in await commands.run("keys", "status")


async def test_rotate_seals_anew_and_then_the_old_key_may_go(
    stores: Stores, commands: Commands, both: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it everything goes on, and `status` knows it no more."""
    await receive(stores, installed())
    assert "second" in await commands.run("keys", "rotate")
    assert {row["key"] for row in await commands.objects("keys", "status")} == {"second", both}
    monkeypatch.setenv("BROKER_SEALING_KEYS", f"second:{SECOND}")
    assert {row["key"] for row in await commands.objects("keys", "status")} == {"second"}
    assert "3 values" not in await commands.run("keys", "rotate"), "a second time there is nothing to do"
    await commands.run("installations", "suspend", INSTALLATION, "--yes")


@pytest.mark.parametrize("same_id", [False, True], ids=["missing", "another of the same id"])
async def test_nothing_is_done_without_a_key_that_is_in_use(
    stores: Stores, commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, same_id: bool
) -> None:
    """One line says which key it is, exit code 2; no part of a key is in it."""
    await receive(stores, installed())
    old = first_key(tmp_path).partition(":")[0]
    monkeypatch.setenv("BROKER_SEALING_KEYS", f"{old if same_id else 'second'}:{SECOND}")
    for command in (("keys", "rotate"), ("installations", "suspend", INSTALLATION, "--yes")):
        said = (await commands.run(*command, exit_code=2)).strip()
        assert old in said
        assert "\n" not in said
        assert SECOND not in said
    assert f"{old!r}" in await commands.run("keys", "status", exit_code=2)


async def test_a_new_issuer_key_is_published_and_waits_for_its_turn(stores: Stores, commands: Commands) -> None:
    """A second one is refused meanwhile, and no key is shown."""
    [first] = await stores.issuer_keys.all()
    said = await commands.run("keys", "rotate", "--issuer")
    assert "signs in 10 minutes" in said
    signing, waiting = await stores.issuer_keys.all()
    assert signing == first
    assert waiting["d"] not in said
    assert "waits for its turn" in await commands.run("keys", "rotate", "--issuer", exit_code=1)
