"""Talkdesk's ID token, where one comes: is it of this very sign-on? (OpenID Connect Core 3.1.3.7; RFC 9700, 4.5.3.2).

Owns: nonce, audience and subject. Whoever brings another person's code into an answer of their own is found out by the nonce, also where
Talkdesk knows no PKCE.
Leaves to others: who the person is, which is userinfo's. Not checked are the signature, since where Talkdesk's keys are is not documented (it
came over TLS from the token endpoint itself, which 3.1.3.7, 6 takes instead), and `iss`, of which nobody says what it should be.
"""

import base64
import json
from collections.abc import Mapping
from typing import Any


class WrongToken(ValueError):
    """It is not of this sign-on; says which claim."""


def check_talkdesk_token(id_token: str, *, nonce: str, client_id: str, subject: object) -> None:
    """Nothing, if it is. `subject`: userinfo's `sub`, where it has one (Core 5.3.2). Raises WrongToken."""
    claims = _unverified_claims(id_token)
    audience = claims.get("aud")
    for holds, name in (
        (claims.get("nonce") == nonce, "nonce"),
        (client_id in (audience if isinstance(audience, list) else [audience]), "aud"),
        (subject is None or claims.get("sub") == subject, "sub"),
    ):
        if not holds:
            raise WrongToken(f"Talkdesk's ID token: its {name} is wrong")


def _unverified_claims(id_token: str) -> Mapping[str, Any]:
    try:
        _, payload, _ = id_token.split(".")
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, RecursionError):
        raise WrongToken("Talkdesk's ID token can't be read") from None
    if not isinstance(claims, dict):
        raise WrongToken("Talkdesk's ID token can't be read")
    return claims
