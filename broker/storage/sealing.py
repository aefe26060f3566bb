"""Sealing: secrets lie in the database under AES-256-GCM (NIST SP 800-38D), never in clear.

Owns: the sealed form, and which place in the database it belongs to. Leaves to others: where the keys come from (`sealing_keys`).

Sealed form: version, length of the key id, key id, check of the key (4 bytes), nonce (12 bytes), ciphertext with tag. All before the
ciphertext, and the place, are associated data: a value that somebody copies to another row or column does not open there.
"""

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Mapping, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from broker.errors import SealError

KEY_BYTES = 32
_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,32}")
_VERSION = 1
_CHECK_BYTES = 4
# Random nonces of 96 bits are safe for 2^32 values under one key: 20 years of 100,000 sign-ons a day with five values each.
_NONCE_BYTES = 12


def place_of(table: str, column: str, *row: str | int) -> str:
    """Name of one place in the database. JSON, so that no separator inside a key makes two places one."""
    return json.dumps([table, column, *row])


class Sealer:
    """Seals with the first key, opens with any."""

    def __init__(self, keys: Mapping[str, bytes], first: str) -> None:
        """`keys` by key id; `first` is the id of the one that seals. Raises SealError where they can't be keys."""
        for key_id, key in keys.items():
            if not _KEY_ID.fullmatch(key_id):
                raise SealError("a sealing key's id must be 1 to 32 of A-Z a-z 0-9 . _ -")
            if len(key) != KEY_BYTES:
                raise SealError(f"sealing key {key_id!r} must have {KEY_BYTES} bytes")
        if first not in keys:
            raise SealError(f"there is no sealing key {first!r}")
        self._first = first
        self._ciphers = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self._headers = {key_id: _header(key_id, key) for key_id, key in keys.items()}

    def __repr__(self) -> str:
        """Without the keys."""
        return f"Sealer(first={self._first!r}, keys={sorted(self._ciphers)!r})"

    @property
    def first(self) -> str:
        """Id of the key that seals."""
        return self._first

    @property
    def keys(self) -> Sequence[str]:
        """Ids of all keys."""
        return list(self._ciphers)

    def key_of(self, sealed: bytes, *, place: str) -> str:
        """Id of the key that opens this. Raises SealError where we don't have it, or only one of the same name."""
        key_id = key_id_of(sealed)
        if key_id not in self._ciphers:
            raise SealError(
                f"{place} is sealed with key {key_id!r}, which is not among the sealing keys "
                f"({', '.join(sorted(self._ciphers))}): add it after the first one"
            )
        header = self._headers[key_id]
        if sealed[: len(header)] != header:
            raise SealError(f"{place} is sealed with another key of the id {key_id!r}: bring back the key it had")
        return key_id

    def seal(self, plain: bytes, *, place: str) -> bytes:
        """The sealed form, which opens at this place only."""
        header = self._headers[self._first]
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return header + nonce + self._ciphers[self._first].encrypt(nonce, plain, header + place.encode())

    def open(self, sealed: bytes, *, place: str) -> bytes:
        """What was sealed. Raises SealError, which says what is wrong and what to do."""
        key_id = self.key_of(sealed, place=place)
        header = self._headers[key_id]
        nonce, ciphertext = sealed[len(header) : len(header) + _NONCE_BYTES], sealed[len(header) + _NONCE_BYTES :]
        try:
            return self._ciphers[key_id].decrypt(nonce, ciphertext, header + place.encode())
        except (InvalidTag, ValueError):
            raise SealError(f"{place} does not open: it was changed, or moved here from another place") from None


def _header(key_id: str, key: bytes) -> bytes:
    # The check only tells a wrong key from a moved value; 4 bytes of a MAC say nothing about a random key.
    check = hmac.digest(key, b"broker sealing key check", hashlib.sha256)[:_CHECK_BYTES]
    return bytes([_VERSION, len(key_id)]) + key_id.encode() + check


def key_id_of(sealed: bytes) -> str:
    """Id of the key that sealed this, whether we have it or not."""
    if len(sealed) < 2 or sealed[0] != _VERSION:
        raise SealError("a sealed value has a form that this version does not know")
    return sealed[2 : 2 + sealed[1]].decode("ascii", "replace")
