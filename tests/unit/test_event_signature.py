"""The signature over an event: every form that is plausible, and nothing that is not one."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA512
from hypothesis import given
from hypothesis import strategies as st

from broker.errors import EventRefused
from broker.events.signature import Signature, read_signature, unverified_root, verify
from tests.unit.event_samples import KEY_ID, ROOT, body_of, user_logout

BODY = b'{"id": "1"}'
CURVES = [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()]
KEYS = {curve.name: ec.generate_private_key(curve) for curve in CURVES}
P256 = KEYS["secp256r1"]


def headers(signature: str, key_id: str = KEY_ID) -> dict[str, str]:
    """Both headers."""
    return {"x-hub-ecdsa-signature": signature, "x-hub-ecdsa-signature-id": key_id}


def raw(key: ec.EllipticCurvePrivateKey, der: bytes) -> bytes:
    """A DER signature as r||s."""
    width = (key.curve.key_size + 7) // 8
    return b"".join(number.to_bytes(width) for number in decode_dss_signature(der))


@pytest.mark.parametrize("upper", [False, True], ids=["lower case", "upper case"])
@pytest.mark.parametrize("form", ["DER", "raw"])
@pytest.mark.parametrize("curve", KEYS)
def test_every_open_form_of_a_signature_verifies(curve: str, form: str, upper: bool) -> None:
    """Three curves, DER or r||s, hex in either case."""
    key = KEYS[curve]
    der = key.sign(BODY, ec.ECDSA(SHA512()))
    text = (der if form == "DER" else raw(key, der)).hex()
    signature = read_signature(headers(text.upper() if upper else text))
    assert verify(BODY, signature, key.public_key()) == BODY


@pytest.mark.parametrize("curve", KEYS)
@given(at=st.integers(min_value=0), bit=st.integers(0, 7))
def test_one_bit_of_the_body_makes_the_signature_wrong(curve: str, at: int, bit: int) -> None:
    """The raw body is what is signed."""
    key = KEYS[curve]
    signature = Signature(KEY_ID, key.sign(BODY, ec.ECDSA(SHA512())))
    changed = bytearray(BODY)
    changed[at % len(BODY)] ^= 1 << bit
    with pytest.raises(EventRefused, match="does not fit"):
        verify(bytes(changed), signature, key.public_key())


@given(st.binary(min_size=8, max_size=150))
def test_bytes_that_are_no_signature_are_refused(content: bytes) -> None:
    """Whatever is sent as a signature is refused, and never more than that."""
    for key in KEYS.values():
        with pytest.raises(EventRefused) as raised:
            verify(BODY, Signature(KEY_ID, content), key.public_key())
        assert (raised.value.status, raised.value.reason) == (401, "bad_signature")


@pytest.mark.parametrize("content", [bytes(64), b"\xff" * 64, bytes(96), bytes(132)], ids=["0", "big", "384", "521"])
def test_r_and_s_out_of_range_are_refused(content: bytes) -> None:
    """Zero for r and s verifies everything in a careless library (CVE-2022-21449)."""
    for key in KEYS.values():
        with pytest.raises(EventRefused):
            verify(BODY, Signature(KEY_ID, content), key.public_key())


def test_another_digest_is_refused() -> None:
    """The signature is over SHA-512 and no other digest."""
    with pytest.raises(EventRefused):
        verify(BODY, Signature(KEY_ID, P256.sign(BODY, ec.ECDSA(SHA256()))), P256.public_key())


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ({}, "unsigned"),
        ({"x-hub-ecdsa-signature": "00" * 64}, "unsigned"),
        ({"x-hub-ecdsa-signature-id": KEY_ID}, "unsigned"),
        (headers("", KEY_ID), "unsigned"),
        (headers("00" * 64, " "), "unsigned"),
        (headers("0" * 127), "bad_signature"),
        (headers("zz" * 64), "bad_signature"),
        (headers("00" * 7), "bad_signature"),
        (headers("00" * 151), "bad_signature"),
        (headers("٠٠" * 64), "bad_signature"),
        (headers("00" * 64, "../../userinfo"), "bad_signature"),
        (headers("00" * 64, "a/b"), "bad_signature"),
        (headers("00" * 64, "a?b"), "bad_signature"),
        (headers("00" * 64, "a%2fb"), "bad_signature"),
        (headers("00" * 64, ".."), "bad_signature"),
        (headers("00" * 64, "a\nb"), "bad_signature"),
        (headers("00" * 64, "é"), "bad_signature"),
        (headers("00" * 64, "a" * 129), "bad_signature"),
    ],
)
def test_headers_that_are_missing_or_malformed_are_refused(sent: dict[str, str], reason: str) -> None:
    """401, with a reason that tells one from the other."""
    with pytest.raises(EventRefused) as raised:
        read_signature(sent)
    assert (raised.value.status, raised.value.reason) == (401, reason)


def test_the_root_is_read_before_anything_is_verified() -> None:
    """It chooses the gateway."""
    assert unverified_root(body_of(user_logout())) == ROOT


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"_links": []}',
        b'{"_links": {"root": "https://api.talkdeskapp.com"}}',
        b'{"_links": {"root": {"href": 1}}}',
        b'{"_links": {"root": {"href": "https://a"}}, "_links": {"root": {"href": "https://b"}}}',
        b"[" * 200_000,
        b"\xff",
    ],
    ids=range(10),
)
def test_a_body_without_a_readable_root_has_none(body: bytes) -> None:
    """None, never an error: nobody has vouched for the body yet."""
    assert unverified_root(body) is None
