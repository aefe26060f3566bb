"""Logout tokens (OpenID Connect Back-Channel Logout 1.0, 2.4)."""

import secrets
from datetime import datetime, timedelta

from broker.ports import Json

EVENT = "http://schemas.openid.net/event/backchannel-logout"
TYPE = "logout+jwt"
LIFETIME = timedelta(minutes=2)


def logout_token_claims(
    *,
    issuer: str,
    client_id: str,
    now: datetime,
    sid: str | None = None,
    sub: str | None = None,
    ends_offline_access: bool = False,
) -> Json:
    """Claims that end one session (`sid`) or all of one person's (`sub`); exactly one of the two.

    `ends_offline_access` is Keycloak's own extension of the event.
    """
    issued = int(now.timestamp())
    claims: Json = {
        "iss": issuer,
        "aud": client_id,
        "iat": issued,
        "exp": issued + int(LIFETIME.total_seconds()),
        "jti": secrets.token_urlsafe(16),
        "events": {EVENT: {"revoke_offline_access": True} if ends_offline_access else {}},
    }
    # With a sid Keycloak does not look at the sub, so only one of them is ever sent: what is written is what is done.
    if (sid is None) == (sub is None):
        raise ValueError("a logout token names either a session or a person")
    claims.update({"sid": sid} if sid is not None else {"sub": sub})
    return claims
