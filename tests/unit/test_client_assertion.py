"""Client assertions: their exact content, every documented algorithm, and keys that can't be used."""

import base64
import traceback
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jws, jwt
from joserfc.jwk import ECKey, RSAKey
from pydantic import SecretStr

from broker.errors import TalkdeskError
from broker.model.credentials import Credentials
from broker.talkdesk.client_assertion import assertion_claims, sign_assertion
from tests.golden_json import assert_golden

NOW = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
CLAIMS = assertion_claims("client-1", audience="https://acme.talkdeskid.com/oauth/token", jti="jti-1", now=NOW)

P256, P384, P521 = (ec.generate_private_key(curve) for curve in (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()))
RSA = rsa.generate_private_key(65537, 2048)


def der(key: PrivateKeyTypes) -> bytes:
    """PKCS#8 DER."""
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def pem(key: PrivateKeyTypes) -> bytes:
    """PKCS#8 PEM."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def credentials(private_key: str, algorithm: str = "ES256") -> Credentials:
    """Credentials with that key."""
    return Credentials("client-1", SecretStr("secret"), SecretStr(private_key), "key-1", algorithm)


def documented(key: PrivateKeyTypes) -> str:
    """As Talkdesk sends it: base64 of PKCS#8 DER."""
    return base64.b64encode(der(key)).decode()


def test_an_assertion_says_exactly_this() -> None:
    """Header and claims are those of the documentation, none more."""
    compact = sign_assertion(credentials(documented(P256)), CLAIMS)
    header = jws.extract_compact(compact.encode()).headers()
    assert_golden("client_assertion", {"header": header, "claims": CLAIMS})


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [("ES256", P256), ("ES384", P384), ("ES512", P521), ("PS256", RSA), ("PS384", RSA), ("PS512", RSA)],
)
def test_every_documented_algorithm_signs(algorithm: str, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
    """The signature verifies with the public key under that algorithm, and the claims arrive unchanged."""
    compact = sign_assertion(credentials(documented(key), algorithm), CLAIMS)
    public = (
        RSAKey.import_key(key.public_key())
        if isinstance(key, rsa.RSAPrivateKey)
        else ECKey.import_key(key.public_key())
    )
    assert jwt.decode(compact, public, algorithms=[algorithm]).claims == CLAIMS


@pytest.mark.parametrize(
    "text",
    [
        documented(P256),
        f"\n{base64.encodebytes(der(P256)).decode()}\n",
        pem(P256).decode(),
        base64.b64encode(pem(P256)).decode(),
    ],
    ids=["base64 of DER", "in lines", "PEM", "base64 of PEM"],
)
def test_a_key_is_read_in_every_plausible_form(text: str) -> None:
    """The documented form, and those that a library would write."""
    compact = sign_assertion(credentials(text), CLAIMS)
    assert jwt.decode(compact, ECKey.import_key(P256.public_key()), algorithms=["ES256"]).claims == CLAIMS


UNUSABLE = {
    "not base64": ("secret-material!", "ES256"),
    "not ASCII": ("secret-matériel", "ES256"),
    "not a key": (base64.b64encode(b"secret-material").decode(), "ES256"),
    "cut off": (documented(P256)[:-8], "ES256"),
    "broken PEM": ("-----BEGIN PRIVATE KEY-----\nsecret-material\n-----END PRIVATE KEY-----", "ES256"),
    "encrypted": (
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nsecret-material\n-----END ENCRYPTED PRIVATE KEY-----",
        "ES256",
    ),
    "wrong curve": (documented(P384), "ES256"),
    "EC for RSA": (documented(P256), "PS256"),
    "RSA for EC": (documented(RSA), "ES256"),
    "another kind": (documented(ed25519.Ed25519PrivateKey.generate()), "ES256"),
    "another algorithm": (documented(RSA), "RS256"),
    "no algorithm": (documented(P256), "none"),
    "a shared secret": (documented(P256), "HS256"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_unusable_key_is_final_and_stays_secret(name: str) -> None:
    """The error says that trying again can't help, and nothing in its whole traceback quotes the key."""
    text, algorithm = UNUSABLE[name]
    with pytest.raises(TalkdeskError) as raised:
        sign_assertion(credentials(text, algorithm), CLAIMS)
    assert raised.value.is_final
    told = "".join(traceback.format_exception(raised.value))
    assert text not in told
    assert "secret-mat" not in told
    assert raised.value.__cause__ is None
