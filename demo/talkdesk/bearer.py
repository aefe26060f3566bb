"""Bearer tokens at Talkdesk's own endpoints (RFC 6750): alive, of the right scope."""

from fastapi import Request

from demo.talkdesk.model import AccessToken
from demo.talkdesk.refusal import Refusal
from demo.talkdesk.state import State


def bearer(state: State, request: Request, scope: str) -> AccessToken:
    """The token of this request: 401 where it is none or dead, 403 where it is for something else."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    token = state.access_tokens.get(text) if scheme.lower() == "bearer" else None
    now = state.clock()
    if token is None or token.expires_at <= now:
        raise Refusal(401, "invalid_token", "The access token is missing, unknown or expired.")
    if not any(
        each.credentials.client_id == token.client_id and each.is_alive(now)
        for each in token.installation.credential_sets
    ):
        raise Refusal(401, "invalid_token", "The credentials behind the access token are dead.")
    if scope not in token.scope:
        raise Refusal(403, "insufficient_scope", f"The access token is not for {scope}.")
    return token
