"""Who is signed in to Talkdesk in this browser: a cookie at Talkdesk's own origin, and the page that asks.

`SameSite=Lax` lets the cookie come along when another site sends the browser here, as sign-on needs it.
"""

from typing import Protocol
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from demo.talkdesk.model import Account, Session, User
from demo.talkdesk.pages import Page
from demo.talkdesk.refusal import Refusal, single_values
from demo.talkdesk.state import State

COOKIE = "talkdesk_session"


class Sessions(Protocol):
    """Starts a session and gives the value of its cookie."""

    def start_session(self, user: User) -> str: ...


class Cancelled(Protocol):
    """Answers an authorization request that somebody broke off."""

    def __call__(self, state: State, account: Account, query: dict[str, str]) -> Response: ...


def session_of(state: State, request: Request) -> Session | None:
    return state.sessions.get(request.cookies.get(COOKIE, ""))


def cookie_header(state: State, value: str) -> str:
    """The `Set-Cookie` that signs a browser in."""
    parts = [f"{COOKIE}={value}", "Path=/", "HttpOnly", "SameSite=Lax"]
    if state.addresses.is_https:
        parts.append("Secure")
    if state.cookie_domain:
        parts.append(f"Domain={state.cookie_domain}")
    return "; ".join(parts)


def ask_who(account: Account, query: str, session: Session | None) -> Response:
    """The page of the authorization endpoint for a browser in which nobody of this account is signed in."""
    return Page("sign_in.html", account=account, query=query, session=session)


def refuse_other_sites(request: Request) -> None:
    """A form that another site submits must not sign anybody in or out (CSRF)."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Refusal(403, "forbidden", "This form belongs to Talkdesk's own pages.")


def routes(state: State, sessions: Sessions, cancelled: Cancelled) -> APIRouter:
    router = APIRouter()

    @router.post("/{slug}/sign-in")
    async def sign_in(slug: str, request: Request) -> Response:
        refuse_other_sites(request)
        account = state.accounts.get(slug)
        if account is None:
            raise Refusal(404, "not_found", "There is no such account.")
        form = single_values(await request.form())
        query = form.get("query", "")
        if "cancel" in form:
            return cancelled(state, account, dict(parse_qsl(query)))
        user = next((each for each in account.users if each.id == form.get("user")), None)
        if user is None:
            raise Refusal(400, "invalid_request", "There is no such user in this account.")
        response = RedirectResponse(f"/{account.slug}/oauth/authorize?{query}", 303)
        response.headers["Set-Cookie"] = cookie_header(state, sessions.start_session(user))
        return response

    return router
