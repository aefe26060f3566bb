"""The ID token that comes with scope `openid` (or does not: `Variants.id_token`).

Signed with a key of Talkdesk's. Where that key is published is not documented, so nobody can verify this token;
userinfo is what a client can rely on.
"""

from joserfc import jwt

from demo.talkdesk.model import Grant
from demo.talkdesk.state import State

LIFE_SECONDS = 300


def id_token(state: State, grant: Grant, subject: str) -> str:
    now = int(state.clock().timestamp())
    claims: dict[str, str | int] = {
        "iss": state.addresses.authorization(grant.session.account).removesuffix("/oauth/authorize"),
        "aud": grant.client_id,
        "sub": subject,
        "sid": grant.session.sid,
        "iat": now,
        "exp": now + LIFE_SECONDS,
    }
    if grant.nonce is not None:
        claims["nonce"] = grant.nonce
    return jwt.encode({"alg": "ES256"}, claims, state.id_token_key, algorithms=["ES256"])
