"""The authorization endpoint, one an account ("Authorization Code - JWT").

Client and redirect URL are checked first: what is wrong with them never redirects. Then who is signed in: somebody of
this account is sent back at once with a code, anybody else sees the sign-in page.
"""

import secrets
from datetime import timedelta
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from demo.talkdesk import sign_in
from demo.talkdesk.model import Account, Grant, Installation
from demo.talkdesk.pages import error_page
from demo.talkdesk.refusal import Refusal, note, single_values
from demo.talkdesk.state import State
from demo.talkdesk.variants import Pkce

CODE_LIFE = timedelta(seconds=60)
SCOPES = frozenset({"openid"})


class _RedirectedError(Exception):
    """An error that goes to the redirect URL: client and redirect URL are known good."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


def routes(state: State) -> APIRouter:
    router = APIRouter()

    @router.get("/{slug}/oauth/authorize")
    async def authorize(slug: str, request: Request) -> Response:
        try:
            account = _account(state, slug)
            parameters = single_values(request.query_params)
            installation = _installation(state, account, parameters)
        except Refusal as refusal:
            note(request, error=refusal.error, description=refusal.description)
            return error_page(refusal)
        note(request, client_id=parameters["client_id"])
        try:
            grant_scope = _check(state, parameters)
        except _RedirectedError as wrong:
            note(request, error=wrong.error)
            return _answer(installation, parameters, error=wrong.error)
        session = sign_in.session_of(state, request)
        if session is None or session.account != account:
            note(request, page="sign-in")
            return sign_in.ask_who(account, str(request.url.query), session)
        code = secrets.token_urlsafe(32)
        state.grants[code] = Grant(
            client_id=parameters["client_id"],
            redirect_url=parameters["redirect_uri"],
            scope=grant_scope,
            session=session,
            nonce=parameters.get("nonce"),
            challenge=_challenge(state, parameters),
            expires_at=state.clock() + CODE_LIFE,
        )
        note(request, user=session.user.name)
        return _answer(installation, parameters, code=code)

    return router


def cancelled(state: State, account: Account, query: dict[str, str]) -> Response:
    """Somebody left the sign-in page: `access_denied`, at the redirect URL."""
    return _answer(_installation(state, account, query), query, error="access_denied")


def _account(state: State, slug: str) -> Account:
    account = state.accounts.get(slug)
    if account is None:
        raise Refusal(404, "not_found", "There is no such account.")
    return account


def _installation(state: State, account: Account, parameters: dict[str, str]) -> Installation:
    found = state.find_client(account, parameters.get("client_id", ""))
    if found is None or not found[0].is_installed:
        raise Refusal(400, "invalid_client", "The client is unknown in this account.")
    if parameters.get("redirect_uri") != found[0].app.redirect_url:
        raise Refusal(400, "invalid_request", "The redirect URL is not the registered one.")
    return found[0]


def _check(state: State, parameters: dict[str, str]) -> frozenset[str]:
    """The scope that is asked for, if everything is as documented."""
    if state.next_authorization_error is not None:
        error, state.next_authorization_error = state.next_authorization_error, None
        raise _RedirectedError(error)
    if "response_type" not in parameters or not parameters.get("state"):
        raise _RedirectedError("invalid_request")
    if parameters["response_type"] != "code":
        raise _RedirectedError("unsupported_response_type")
    scope = frozenset(parameters.get("scope", "").split())
    if not scope or not scope <= SCOPES:
        raise _RedirectedError("invalid_scope")
    if (
        state.variants.pkce is Pkce.ENFORCED
        and "code_challenge" in parameters
        and parameters.get("code_challenge_method") != "S256"
    ):
        raise _RedirectedError("invalid_request")
    return scope


def _challenge(state: State, parameters: dict[str, str]) -> str | None:
    return parameters.get("code_challenge") if state.variants.pkce is Pkce.ENFORCED else None


def _answer(installation: Installation, parameters: dict[str, str], **answer: str) -> Response:
    if "state" in parameters:
        answer["state"] = parameters["state"]
    redirect_url = installation.app.redirect_url
    separator = "&" if "?" in redirect_url else "?"
    return RedirectResponse(
        f"{redirect_url}{separator}{urlencode(answer)}",
        302,
        {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"},
    )
