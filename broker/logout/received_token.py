"""What makes a token of the realm's a logout token for one app (OpenID Connect Back-Channel Logout 1.0, section 2.6).

Owns: every claim. Leaves to others: the signature and its algorithm (RealmKeys), whether the `jti` was seen before (Deliveries).
No ID token passes for one: it has no `events`, and may have a `nonce`.
"""

from datetime import UTC, datetime, timedelta

from broker.errors import LogoutRefused
from broker.issuer.logout_token import EVENT
from broker.model.delivery import ReceivedToken
from broker.ports import Json

SKEW = timedelta(seconds=10)
"""How far Keycloak's clock may be from ours."""
LONGEST_LIFETIME = timedelta(minutes=10)
"""Keycloak gives two minutes. What lives much longer was not made for this, and would be delivered for as long."""
_LONGEST_ID = 255


def read_claims(claims: Json, token: str, *, relay: str, issuer: str, client_id: str, now: datetime) -> ReceivedToken:
    """The logout token with these verified claims. Raises LogoutRefused."""
    issued_at, expires_at = _time(claims, "iat"), _time(claims, "exp")
    events = claims.get("events")
    for holds, reason, detail in (
        (claims.get("iss") == issuer, "issuer", "another issuer"),
        (claims.get("aud") in (client_id, [client_id]), "audience", "another client's"),
        (issued_at <= now + SKEW, "not_yet", "issued in the future"),
        (now < expires_at, "expired", "expired"),
        (expires_at <= now + LONGEST_LIFETIME, "lifetime", "lives too long"),
        (isinstance(events, dict) and isinstance(events.get(EVENT), dict), "events", "events does not say logout"),
        ("nonce" not in claims, "nonce", "a nonce: this is an ID token"),
        (_is_id(claims.get("jti")), "jti", "no jti"),
        (any(name in claims for name in ("sid", "sub")), "nobody", "neither sid nor sub"),
        (all(_is_id(claims[name]) for name in ("sid", "sub") if name in claims), "nobody", "sid or sub is no id"),
    ):
        if not holds:
            raise _refused(reason, detail)
    return ReceivedToken(relay, claims["jti"], claims.get("sid"), claims.get("sub"), expires_at, token)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_ID


def _time(claims: Json, name: str) -> datetime:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _refused(name, f"no {name}")
    try:
        return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        raise _refused(name, f"{name} is no time") from None


def _refused(reason: str, detail: str) -> LogoutRefused:
    return LogoutRefused(400, reason, detail)
