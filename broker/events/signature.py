"""The signature over an event: from raw bytes to a `VerifiedBody` ("Events" in docs/talkdesk.md).

Owns: the headers, the forms of a signature [open], and what of an unverified body may be looked at: its `root`, and that alone.
Leaves to others: where keys come from (EventKeySource), and what the body says (`parse`).
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NewType

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA512

from broker.errors import EventRefused
from broker.events.strict_json import read_object

VerifiedBody = NewType("VerifiedBody", bytes)
"""A body that Talkdesk signed, to the byte. Says nothing about whose event it is."""

_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
"""The id becomes part of a path at the gateway: nothing in it may end that part."""
_SIGNATURE = re.compile(r"(?:[0-9A-Fa-f]{2}){8,150}")  # DER of P-521 has up to 139 bytes


@dataclass(frozen=True)
class Signature:
    """The two headers, well-formed."""

    key_id: str
    content: bytes


def read_signature(headers: Mapping[str, str]) -> Signature:
    """The signature headers. Raises EventRefused (401)."""
    key_id = headers.get("x-hub-ecdsa-signature-id", "").strip()
    content = headers.get("x-hub-ecdsa-signature", "").strip()
    if not key_id or not content:
        raise EventRefused(401, "unsigned", "a signature header is missing")
    if not _KEY_ID.fullmatch(key_id) or not _SIGNATURE.fullmatch(content):
        raise EventRefused(401, "bad_signature", "a signature header is malformed")
    return Signature(key_id, bytes.fromhex(content))


def unverified_root(body: bytes) -> str | None:
    """`_links.root` of a body that nobody has vouched for; good for choosing among listed gateways, and for nothing else."""
    try:
        href = read_object(body)["_links"]["root"]["href"]
    except (ValueError, KeyError, TypeError):
        return None
    return href if isinstance(href, str) else None


def verify(body: bytes, signature: Signature, key: EllipticCurvePublicKey) -> VerifiedBody:
    """ECDSA with SHA-512 over the raw body. Raises EventRefused (401)."""
    for form in _forms(signature.content, key):
        try:
            key.verify(form, body, ECDSA(SHA512()))
        except InvalidSignature:
            continue
        return VerifiedBody(body)
    raise EventRefused(401, "bad_signature", "the signature does not fit body and key")


def _forms(content: bytes, key: EllipticCurvePublicKey) -> Iterator[bytes]:
    """The signature as DER, read in both ways [open]: as DER (what is not DER verifies as nothing), and as r||s where the length fits."""
    yield content
    width = (key.curve.key_size + 7) // 8
    if len(content) == 2 * width:
        yield encode_dss_signature(int.from_bytes(content[:width]), int.from_bytes(content[width:]))
