"""Sealing, and where its keys come from."""

import base64
import multiprocessing
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from broker.errors import SealError
from broker.storage.sealing import Sealer, place_of
from broker.storage.sealing_keys import MADE_FILE, load_keys, parse_keys

KEY_A, KEY_B = bytes(range(32)), bytes(range(32, 64))
TEXT_A, TEXT_B = (base64.b64encode(key).decode() for key in (KEY_A, KEY_B))
PLACE = place_of("fact", "credentials", 7)
PLAIN = b"known-secret"
SEALED_ONCE = "010161c6d5ccdb8755047fe03409940fa3c4c06e520bb2d47a8b2db630f16a267879ea0601cdc788206256d474f3f8"


def sealer() -> Sealer:
    """With one key."""
    return Sealer({"a": KEY_A}, "a")


@given(plain=st.binary(), place=st.text())
def test_what_is_sealed_opens_at_its_place(plain: bytes, place: str) -> None:
    """Whatever it is, and whatever the place is called."""
    assert sealer().open(sealer().seal(plain, place=place), place=place) == plain


def test_the_sealed_form() -> None:
    """Version, key id, check, nonce, ciphertext and tag: what later versions must be able to read."""
    sealed = Sealer({"key-1": KEY_A}, "key-1").seal(PLAIN, place=PLACE)
    assert sealed[:7] == b"\x01\x05key-1"
    assert len(sealed) == 7 + 4 + 12 + len(PLAIN) + 16
    assert PLAIN not in sealed


def test_a_value_of_the_first_version_opens() -> None:
    """A value that was sealed by this form's first version, byte for byte."""
    sealed = bytes.fromhex(SEALED_ONCE)
    assert sealer().open(sealed, place=PLACE) == PLAIN


def test_the_same_value_is_sealed_differently_each_time() -> None:
    """A nonce is never used twice."""
    assert len({sealer().seal(PLAIN, place=PLACE) for _ in range(100)}) == 100


def test_the_first_key_seals_and_all_keys_open() -> None:
    """How keys are changed while the broker runs."""
    old = Sealer({"a": KEY_A}, "a").seal(PLAIN, place=PLACE)
    both = Sealer({"b": KEY_B, "a": KEY_A}, "b")
    assert both.open(old, place=PLACE) == PLAIN
    assert Sealer({"b": KEY_B}, "b").open(both.seal(PLAIN, place=PLACE), place=PLACE) == PLAIN


def test_a_missing_key_is_named() -> None:
    """The error says which id is missing, and which are there."""
    sealed = Sealer({"old": KEY_A}, "old").seal(PLAIN, place=PLACE)
    with pytest.raises(SealError, match=r"key 'old', which is not among the sealing keys \(b, c\)"):
        Sealer({"b": KEY_B, "c": KEY_A}, "b").open(sealed, place=PLACE)


def test_a_wrong_key_is_told_from_a_moved_value() -> None:
    """The same id with another key."""
    sealed = sealer().seal(PLAIN, place=PLACE)
    with pytest.raises(SealError, match="another key of the id 'a'"):
        Sealer({"a": KEY_B}, "a").open(sealed, place=PLACE)


@pytest.mark.parametrize(
    "place", [place_of("fact", "credentials", 8), place_of("fact", "body", 7), place_of("event", "credentials", 7)]
)
def test_a_moved_value_does_not_open(place: str) -> None:
    """Copied to another row, column or table, by somebody who can write to the database."""
    sealed = sealer().seal(PLAIN, place=PLACE)
    with pytest.raises(SealError, match="changed, or moved"):
        sealer().open(sealed, place=place)


@pytest.mark.parametrize("position", range(1 + 1 + 1 + 4 + 12 + len(PLAIN) + 16))
def test_a_changed_value_does_not_open(position: int) -> None:
    """Whichever byte it is; and no error holds the secret."""
    sealed = bytearray(sealer().seal(PLAIN, place=PLACE))
    sealed[position] ^= 1
    with pytest.raises(SealError) as caught:
        sealer().open(bytes(sealed), place=PLACE)
    assert PLAIN.decode() not in str(caught.value)


@pytest.mark.parametrize("length", range(1 + 1 + 1 + 4 + 12 + len(PLAIN) + 16))
def test_a_cut_value_does_not_open(length: int) -> None:
    """Wherever it is cut: a clear error, nothing else."""
    sealed = sealer().seal(PLAIN, place=PLACE)[:length]
    with pytest.raises(SealError):
        sealer().open(sealed, place=PLACE)


def test_places_are_not_ambiguous() -> None:
    """No separator inside a key makes two rows one place."""
    assert place_of("t", "c", "a", "b") != place_of("t", "c", 'a", "b')
    assert place_of("t", "c", "1") != place_of("t", "c", 1)


def test_a_sealer_shows_no_key() -> None:
    """Its repr has ids only."""
    assert repr(sealer()) == "Sealer(first='a', keys=['a'])"


def test_keys_from_text() -> None:
    """Commas, lines and blanks separate; the first one seals; both base64 alphabets are read."""
    binary = bytes([0xFB]) * 32
    url_safe = base64.urlsafe_b64encode(binary).decode()
    assert "-" in url_safe
    read = parse_keys(f"\n b:{TEXT_B}, a:{TEXT_A}\r\n\nc: {url_safe}\n", source="here")
    assert repr(read) == "Sealer(first='b', keys=['a', 'b', 'c'])"
    assert read.open(Sealer({"c": binary}, "c").seal(PLAIN, place=PLACE), place=PLACE) == PLAIN


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no key"),
        (" ,\n", "no key"),
        (TEXT_A, "entry 1 is not `kid:base64`"),
        (f"a:{TEXT_A},a:{TEXT_B}", "entry 2 has the key id of a former one"),
        (f"a:{TEXT_A[:-4]}!!!!", "not base64"),
        (f"a:{TEXT_A[:-4]}", "has 30 bytes instead of 32"),
        ("a:", "has 0 bytes instead of 32"),
        (f"ä:{TEXT_A}", "key's id"),
        (f":{TEXT_A}", "key's id"),
        (f"{'a' * 33}:{TEXT_A}", "key's id"),
    ],
)
def test_text_that_holds_no_keys_is_refused(text: str, problem: str) -> None:
    """The error names the place and the entry, and shows no part of a key."""
    with pytest.raises(SealError, match=problem) as caught:
        parse_keys(text, source="BROKER_SEALING_KEYS")
    assert str(caught.value).startswith("BROKER_SEALING_KEYS")
    assert TEXT_A[:8] not in str(caught.value)


def test_what_is_given_comes_before_what_is_made(tmp_path: Path) -> None:
    """Text, else a file; nothing is made then."""
    file = tmp_path / "keys"
    file.write_text(f"f:{TEXT_B}\n")
    assert "first='t'" in repr(load_keys(text=f"t:{TEXT_A}", made_below=tmp_path))
    assert "first='f'" in repr(load_keys(file=file, made_below=tmp_path))
    assert not (tmp_path / MADE_FILE).exists()


def test_keys_that_must_be_given(tmp_path: Path) -> None:
    """No directory to make them in, a file that is not there, a file that is something else."""
    with pytest.raises(SealError, match="BROKER_SEALING_KEYS or BROKER_SEALING_KEYS_FILE must be given"):
        load_keys()
    with pytest.raises(SealError, match="can't be read: No such file"):
        load_keys(file=tmp_path / "none")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(SealError, match="not a file of sealing keys"):
        load_keys(file=tmp_path / "binary")


def test_a_key_is_made_once_and_said_aloud(tmp_path: Path) -> None:
    """Below a directory that is made too; for its owner only; with one warning, that shows no key."""
    with capture_logs() as logs:
        first = load_keys(made_below=tmp_path / "data")
        second = load_keys(made_below=tmp_path / "data")
    assert second.open(first.seal(PLAIN, place=PLACE), place=PLACE) == PLAIN
    made = tmp_path / "data" / MADE_FILE
    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    assert [file.name for file in made.parent.iterdir()] == [MADE_FILE], "no draft is left"
    assert [(log["event"], log["log_level"]) for log in logs] == [("sealing_keys_made", "warning")]
    assert made.read_text().strip().partition(":")[2] not in str(logs)


def test_none_is_made_where_something_is_sealed_already(tmp_path: Path) -> None:
    """Its key is lost, and another one would not bring it back; one that is there is taken as ever."""
    with pytest.raises(SealError, match=f"{MADE_FILE} is missing"):
        load_keys(made_below=tmp_path, is_needed=True)
    assert not (tmp_path / MADE_FILE).exists()
    load_keys(made_below=tmp_path)
    load_keys(made_below=tmp_path, is_needed=True)
    load_keys(text=f"t:{TEXT_A}", is_needed=True)


def test_a_key_that_can_not_be_made_is_an_error(tmp_path: Path) -> None:
    """The error names the file."""
    (tmp_path / "file").touch()
    with pytest.raises(SealError, match=f"{MADE_FILE} can't be made"):
        load_keys(made_below=tmp_path / "file")


def test_processes_that_start_at_once_share_the_key(tmp_path: Path) -> None:
    """One makes it, all use that one: what any of them sealed opens with the key that stayed."""
    start = multiprocessing.get_context("spawn")
    with start.Pool(4) as processes:
        sealed = processes.map(_load_and_seal, [tmp_path] * 8, chunksize=1)
    kept = load_keys(made_below=tmp_path)
    assert [kept.open(each, place=PLACE) for each in sealed] == [PLAIN] * 8


def _load_and_seal(directory: Path) -> bytes:
    return load_keys(made_below=directory).seal(PLAIN, place=PLACE)
