"""Real keys: an installation's, that signs client assertions, and Talkdesk's, that signs events.

The event signature is ECDSA with SHA-512 over the raw body, as hex ("Events API", in docs/talkdesk.md "Events").
"""

import base64
import secrets

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from demo.talkdesk.model import Credentials
from demo.talkdesk.variants import EventCurve, KeyAlgorithm, KeyEncoding, SignatureForm

_ASSERTION_CURVES: dict[str, ec.EllipticCurve] = {
    "ES256": ec.SECP256R1(),
    "ES384": ec.SECP384R1(),
    "ES512": ec.SECP521R1(),
}
_EVENT_CURVES: dict[EventCurve, ec.EllipticCurve] = {
    EventCurve.P256: ec.SECP256R1(),
    EventCurve.P384: ec.SECP384R1(),
    EventCurve.P521: ec.SECP521R1(),
}


def new_id() -> str:
    """32 hex characters, like the ids in the documentation's examples."""
    return secrets.token_hex(16)


def new_credentials(algorithm: KeyAlgorithm, client_id: str | None = None) -> Credentials:
    """A client of its own, with a fresh key that fits the algorithm."""
    curve = _ASSERTION_CURVES.get(algorithm)
    return Credentials(
        client_id=client_id or new_id(),
        client_secret=secrets.token_urlsafe(48),
        key_id=new_id(),
        key_algorithm=algorithm,
        private_key=ec.generate_private_key(curve) if curve else rsa.generate_private_key(65537, 2048),
    )


def private_key_text(credentials: Credentials) -> str:
    """Base64 of PKCS#8 DER, without PEM lines: as `app.installed` carries it."""
    der = credentials.private_key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return base64.b64encode(der).decode()


def public_key_text(credentials: Credentials) -> str:
    """Base64 of the DER SubjectPublicKeyInfo."""
    der = credentials.private_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


class EventKey:
    """One of Talkdesk's keys for events."""

    def __init__(self, curve: EventCurve) -> None:
        self.id = new_id()
        self._key = ec.generate_private_key(_EVENT_CURVES[curve])

    def sign(self, body: bytes, form: SignatureForm) -> str:
        der = self._key.sign(body, ec.ECDSA(SHA512()))
        if form is SignatureForm.DER:
            return der.hex()
        r, s = decode_dss_signature(der)
        width = (self._key.curve.key_size + 7) // 8
        return (r.to_bytes(width) + s.to_bytes(width)).hex()

    def public_text(self, encoding: KeyEncoding) -> str:
        """The public key as the signature-keys endpoint gives it."""
        form = Encoding.DER if encoding is KeyEncoding.DER else Encoding.PEM
        return base64.b64encode(self._key.public_key().public_bytes(form, PublicFormat.SubjectPublicKeyInfo)).decode()
