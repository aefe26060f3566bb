"""Client authentication at our token endpoint: `private_key_jwt` (OpenID Connect Core 9, RFC 7523) by the realm's key.

Every identity provider of the realm signs with the same key: that the realm signed says nothing about *which* client it is.
That is what `iss`, `sub` and `aud` are for.
"""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta

from broker.errors import OAuthError
from broker.ports import Json, OneTimeKind, OneTimeValues, RealmKeys

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_ALGORITHM = "RS256"
LONGEST_LIFETIME = timedelta(minutes=5)
SKEW = timedelta(seconds=10)
"""How far Keycloak's clock may be from ours."""


class ClientAuthentication:
    """Takes a client assertion once."""

    def __init__(self, realm_keys: RealmKeys, seen: OneTimeValues) -> None:
        """`seen` remembers each `jti` while its assertion could be sent again."""
        self._realm_keys = realm_keys
        self._seen = seen

    async def authenticate(
        self, form: Mapping[str, str], *, client_id: str, audiences: Collection[str], now: datetime
    ) -> None:
        """Check that the request comes from this client. Raises OAuthError `invalid_client`, KeycloakError."""
        if form.get("client_assertion_type") != ASSERTION_TYPE or not form.get("client_assertion"):
            raise _refused("client authentication must be private_key_jwt")
        if form.get("client_id", client_id) != client_id:
            raise _refused("this client is not known at this issuer")
        try:
            claims = await self._realm_keys.verify(form["client_assertion"], now)
        except ValueError:
            raise _refused("the client assertion is not signed by the realm") from None
        self._check_claims(claims, client_id, audiences, now)
        expires = _time(claims, "exp")
        jti = claims.get("jti")
        if not isinstance(jti, str) or not jti:
            raise _refused("the client assertion has no jti")
        if not await self._seen.save(OneTimeKind.ASSERTION, f"{client_id} {jti}", {}, expires + SKEW):
            raise _refused("the client assertion was used before")

    @staticmethod
    def _check_claims(claims: Json, client_id: str, audiences: Collection[str], now: datetime) -> None:
        if claims.get("iss") != client_id or claims.get("sub") != client_id:
            raise _refused("the client assertion is another client's")
        audience = claims.get("aud")
        named = audience if isinstance(audience, list) else [audience]
        # One audience only: an assertion that is good here must be good nowhere else (RFC 9700, 4.9).
        if len(named) != 1 or named[0] not in audiences:
            raise _refused("the client assertion is for another audience")
        if not now - SKEW < _time(claims, "exp") <= now + LONGEST_LIFETIME + SKEW:
            raise _refused("the client assertion has expired, or lives too long")
        if "nbf" in claims and _time(claims, "nbf") > now + SKEW:
            raise _refused("the client assertion is not valid yet")


def _time(claims: Json, name: str) -> datetime:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _refused(f"the client assertion has no {name}")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        raise _refused(f"the client assertion's {name} is no time") from None


def _refused(detail: str) -> OAuthError:
    return OAuthError("invalid_client", detail, status=401)
