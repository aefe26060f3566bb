"""Client assertions: how we prove to a token endpoint that we are the installation's client (RFC 7523, section 3; "OAuth 2.0" in docs/talkdesk.md).

Owns: the claim set, and reading the installation's private key.
Leaves to others: to whom it is sent; its audience is the installation's own token endpoint, which no later event can move.
"""

import base64
from datetime import datetime, timedelta

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from broker.errors import TalkdeskError
from broker.model.credentials import Credentials
from broker.ports import Json

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LIFETIME = timedelta(minutes=5)

_CURVES: dict[str, type[ec.EllipticCurve]] = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}
_RSA_ALGORITHMS = frozenset({"PS256", "PS384", "PS512"})


def assertion_claims(client_id: str, *, audience: str, jti: str, now: datetime) -> Json:
    """All claims of an assertion; `jti` is good for one use."""
    issued = int(now.timestamp())
    return {
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "jti": jti,
        "iat": issued,
        "exp": issued + int(LIFETIME.total_seconds()),
    }


def sign_assertion(credentials: Credentials, claims: Json) -> str:
    """The claims, signed with the installation's key. Raises TalkdeskError, which never holds anything of the key."""
    # `typ` is plain JWT: the explicit kinds (RFC 8725, 3.11) are for receivers that know them, and Talkdesk names none.
    header = {"alg": credentials.algorithm, "kid": credentials.key_id, "typ": "JWT"}
    return jwt.encode(header, claims, _assertion_key(credentials), algorithms=[credentials.algorithm])


def _assertion_key(credentials: Credentials) -> ECKey | RSAKey:
    key = _private_key(credentials.private_key.get_secret_value())
    curve = _CURVES.get(credentials.algorithm)
    if curve is not None and isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, curve):
        return ECKey.import_key(key)
    if credentials.algorithm in _RSA_ALGORITHMS and isinstance(key, RSAPrivateKey):
        return RSAKey.import_key(key)
    raise TalkdeskError(
        "the installation's key does not fit its algorithm, or that is none of the documented ones", is_final=True
    )


def _private_key(text: str) -> object:
    """Base64 of PKCS#8 DER as documented; PEM, and base64 of PEM, as many a library writes it.

    `from None`: what a parser says about a key may quote it.
    """
    try:
        content = text.strip().encode("ascii")
        if not content.startswith(b"-----BEGIN"):
            content = base64.b64decode(b"".join(content.split()), validate=True)
        if content.lstrip().startswith(b"-----BEGIN"):
            return load_pem_private_key(content, password=None)
        return load_der_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise TalkdeskError("the installation's private key can't be read", is_final=True) from None
