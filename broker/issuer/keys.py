"""The issuers' keys: one set for all of them, RS256.

RS256 because every relying party knows it (OpenID Connect Core 15.1 demands it). The kid is the key's thumbprint (RFC 7638):
a key that changed under the same kid would break every sign-on until Keycloak's cache turned over.
"""

from collections.abc import Sequence
from typing import Any

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from broker.ports import IssuerKeys, Json

ALGORITHM = "RS256"


class SigningKeys:
    """The keys of this process, read at start and every minute (`rotation`)."""

    def __init__(self, private_jwks: Sequence[Json]) -> None:
        """`private_jwks`: the first one signs, all are published."""
        self._keys: list[RSAKey] = []
        self._take(private_jwks)

    @classmethod
    async def load(cls, store: IssuerKeys) -> "SigningKeys":
        """The stored keys; the first process of all makes one."""
        stored = await store.all()
        return cls(stored or await store.add_first(generate_private_jwk()))

    async def follow(self, store: IssuerKeys) -> None:
        """Read the stored keys again: another one may have come, or its turn."""
        if stored := await store.all():
            self._take(stored)

    def _take(self, private_jwks: Sequence[Json]) -> None:
        known = {key.kid: key for key in self._keys}
        # To import one takes longer than to sign with it.
        self._keys = [known.get(jwk["kid"]) or RSAKey.import_key(jwk) for jwk in private_jwks]

    def public_set(self) -> Json:
        """JWK Set (RFC 7517, 5)."""
        public: dict[str, Any] = dict(KeySet([*self._keys]).as_dict(private=False))
        return public

    def sign(self, claims: Json, typ: str) -> str:
        """A compact JWS over the claims; `typ` says what kind of token it is (RFC 8725, 3.11)."""
        key = self._keys[0]
        return jwt.encode({"alg": ALGORITHM, "kid": key.kid, "typ": typ}, claims, key, algorithms=[ALGORITHM])


def generate_private_jwk() -> Json:
    """A new private RSA key of 2048 bits."""
    key = RSAKey.generate_key(2048, parameters={"use": "sig", "alg": ALGORITHM}, private=True)
    jwk: dict[str, Any] = dict(key.as_dict(private=True))
    jwk["kid"] = key.thumbprint()
    return jwk
