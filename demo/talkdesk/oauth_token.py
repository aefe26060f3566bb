"""The token endpoint, one an account ("Authorization Code - JWT", "Signed JWT").

Two grants: authorization code, and client credentials for the Apps API. A code is burnt by its first use, whoever uses
it; used again, what it gave dies too (RFC 6749 section 4.1.2).
"""

import base64
import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from demo.talkdesk.client_assertion import authenticate
from demo.talkdesk.id_token import id_token
from demo.talkdesk.model import AccessToken, CredentialSet, Grant, Installation
from demo.talkdesk.refusal import Refusal, note, single_values
from demo.talkdesk.state import State
from demo.talkdesk.userinfo import subject
from demo.talkdesk.variants import IdToken

TOKEN_LIFE = timedelta(minutes=10)
APPS_SCOPES = frozenset({"apps:read", "apps:write"})


def routes(state: State) -> APIRouter:
    router = APIRouter()

    @router.post("/{slug}/oauth/token")
    async def token(slug: str, request: Request) -> Response:
        account = state.accounts.get(slug)
        if account is None:
            raise Refusal(404, "not_found", "There is no such account.")
        if request.headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
            raise Refusal(400, "invalid_request", "The body is no form.")
        form = single_values(await request.form())
        note(request, grant_type=form.get("grant_type", ""))
        installation, credential_set = authenticate(state, account, form, _basic(request))
        note(request, client_id=credential_set.credentials.client_id)
        match form.get("grant_type"):
            case "authorization_code":
                answer = _redeem(state, installation, credential_set, form)
            case "client_credentials":
                answer = _for_the_app(state, installation, credential_set, form)
            case _:
                raise Refusal(400, "unsupported_grant_type", "authorization_code or client_credentials")
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    return router


def _redeem(
    state: State, installation: Installation, credential_set: CredentialSet, form: dict[str, str]
) -> dict[str, Any]:
    client_id = credential_set.credentials.client_id
    grant = state.grants.get(form.get("code", ""))
    if grant is None:
        raise Refusal(400, "invalid_grant", "The code is unknown.")
    if grant.is_used:
        state.access_tokens.pop(grant.access_token or "", None)
        raise Refusal(400, "invalid_grant", "The code was used before.")
    grant.is_used = True
    _check_grant(state, grant, client_id, form)
    if not installation.is_installed:
        raise Refusal(400, "unauthorized_client", "The app is not installed any more.")
    access_token = _new_token(state, AccessToken(installation, client_id, grant.scope, grant.session.user, _end(state)))
    grant.access_token = access_token
    answer = _answer(access_token, grant.scope) | {"sid": grant.session.sid}
    if state.variants.id_token is IdToken.ALWAYS and "openid" in grant.scope:
        answer["id_token"] = id_token(state, grant, subject(state, grant.session.user))
    return answer


def _check_grant(state: State, grant: Grant, client_id: str, form: dict[str, str]) -> None:
    if grant.client_id != client_id:
        raise Refusal(400, "invalid_grant", "The code is another client's.")
    if grant.redirect_url != form.get("redirect_uri"):
        raise Refusal(400, "invalid_grant", "The redirect_uri is not the one of the authorization request.")
    if grant.expires_at <= state.clock():
        raise Refusal(400, "invalid_grant", "The code has expired.")
    if grant.challenge is not None:
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if not secrets.compare_digest(base64.urlsafe_b64encode(digest).rstrip(b"=").decode(), grant.challenge):
            raise Refusal(400, "invalid_grant", "The code_verifier does not fit the code_challenge.")


def _for_the_app(
    state: State, installation: Installation, credential_set: CredentialSet, form: dict[str, str]
) -> dict[str, Any]:
    scope = frozenset(form.get("scope", "").split())
    if not scope or not scope <= APPS_SCOPES:
        raise Refusal(400, "invalid_scope", "apps:read or apps:write")
    token = AccessToken(installation, credential_set.credentials.client_id, scope, None, _end(state))
    return _answer(_new_token(state, token), scope)


def _new_token(state: State, token: AccessToken) -> str:
    text = secrets.token_urlsafe(32)
    state.access_tokens[text] = token
    return text


def _answer(access_token: str, scope: frozenset[str]) -> dict[str, Any]:
    return {
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": int(TOKEN_LIFE.total_seconds()),
        "scope": " ".join(sorted(scope)),
    }


def _end(state: State) -> datetime:
    return state.clock() + TOKEN_LIFE


def _basic(request: Request) -> str | None:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return value if scheme.lower() == "basic" else None
