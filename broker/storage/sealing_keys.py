"""Where sealing keys come from: a setting, a file, or a file that is made on the first start.

Owns: the text form `kid:base64`, and the file that is made. Leaves to others: what the keys do (`sealing`).
"""

import base64
import binascii
import os
import secrets
from pathlib import Path

import structlog

from broker.errors import SealError
from broker.storage.sealing import KEY_BYTES, Sealer

MADE_FILE = "sealing.keys"
"""Name of the file that is made below the data directory."""

_log = structlog.get_logger()


def load_keys(
    *,
    text: str | None = None,
    file: Path | None = None,
    made_below: Path | None = None,
    is_needed: bool = False,
) -> Sealer:
    """Sealer with the keys in `text`, else in `file`, else in a file below `made_below` that is made where there is none.

    `is_needed`: something is sealed already, so none is made: it would open nothing of that, and hide that the right one is lost.
    Raises SealError: the keys are not as they should be, or none of the three is given (PostgreSQL has no directory of ours
    that all replicas share, so there the keys must be given).
    """
    if text is not None:
        return parse_keys(text, source="BROKER_SEALING_KEYS")
    if file is not None:
        return parse_keys(_read(file), source=str(file))
    if made_below is None:
        raise SealError("BROKER_SEALING_KEYS or BROKER_SEALING_KEYS_FILE must be given with this database")
    made = made_below / MADE_FILE
    if is_needed and not made.exists():
        raise SealError(
            f"{made} is missing, and with it the key to what is sealed: bring it back, or give the keys in BROKER_SEALING_KEYS"
        )
    return _load_made(made)


def parse_keys(text: str, *, source: str) -> Sealer:
    """Read `kid:base64`, separated by commas or lines; the first one seals. No part of a key is in any error."""
    keys: dict[str, bytes] = {}
    for number, entry in enumerate(filter(None, map(str.strip, text.replace(",", "\n").splitlines())), start=1):
        key_id, colon, encoded = entry.partition(":")
        if not colon:
            raise SealError(f"{source}: entry {number} is not `kid:base64`")
        if key_id in keys:
            raise SealError(f"{source}: entry {number} has the key id of a former one")
        keys[key_id] = _decode(encoded.strip(), f"{source}: entry {number}")
    if not keys:
        raise SealError(f"{source}: there is no key in it")
    try:
        return Sealer(keys, first=next(iter(keys)))
    except SealError as error:
        raise SealError(f"{source}: {error}") from None


def _decode(encoded: str, where: str) -> bytes:
    try:
        # Both alphabets are in use for keys; what `openssl rand -base64 32` prints must work as it is.
        key = base64.b64decode(encoded.replace("-", "+").replace("_", "/"), validate=True)
    except binascii.Error:
        raise SealError(f"{where}: what follows the colon is not base64") from None
    if len(key) != KEY_BYTES:
        raise SealError(f"{where}: the key has {len(key)} bytes instead of {KEY_BYTES}")
    return key


def _read(file: Path) -> str:
    try:
        return file.read_text("ascii")
    except OSError as error:
        raise SealError(f"{file} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SealError(f"{file} is not a file of sealing keys") from None


def _load_made(file: Path) -> Sealer:
    try:
        if not file.exists():
            _make(file)
    except OSError as error:
        raise SealError(f"{file} can't be made: {error.strerror}") from None
    return parse_keys(_read(file), source=str(file))


def _make(file: Path) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    key = base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(f"made-{secrets.token_hex(4)}:{key}\n")
        opened.flush()
        os.fsync(opened.fileno())
    try:
        # A link never replaces: of several processes that start at once one makes the file, and all read that one.
        os.link(draft, file)
    except FileExistsError:
        return
    finally:
        draft.unlink()
    _log.warning("sealing_keys_made", file=str(file), advice="keep a copy: without it the database can't be read")
