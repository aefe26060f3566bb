"""The page at `/`: who is signed in in this browser, the icons that launch, installations, and a live list.

An icon opens the standalone URL in a new tab, as Talkdesk's workspace does ("the launch" in docs/talkdesk.md).
"""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from demo.talkdesk.actions import Actions
from demo.talkdesk.model import ApiCall, Delivery, Installation, User
from demo.talkdesk.pages import Page
from demo.talkdesk.refusal import Refusal, single_values
from demo.talkdesk.sign_in import COOKIE, cookie_header, refuse_other_sites, session_of
from demo.talkdesk.state import State

LINES = 60


def launch_url(installation: Installation, user: User) -> str:
    """What a click on the icon opens."""
    url = installation.app.standalone_url
    query = urlencode({"talkdesk_installation_id": installation.id, "talkdesk_user_id": user.id})
    return f"{url}{'&' if '?' in url else '?'}{query}"


def routes(actions: Actions) -> APIRouter:
    state = actions.state
    router = APIRouter()

    @router.get("/")
    async def home(request: Request) -> Response:
        session = session_of(state, request)
        icons = [
            (each.app, launch_url(each, session.user))
            for each in state.installations.values()
            if session and each.is_installed and each.account == session.account and session.user in each.users
        ]
        return Page("home.html", state=state, session=session, icons=icons, lines=feed(state))

    @router.get("/home/feed")
    async def live_list() -> Response:
        return JSONResponse(feed(state))

    for name, action in _ACTIONS.items():
        router.add_api_route(f"/home/{name}", _form_endpoint(actions, action), methods=["POST"], name=name)
    return router


Action = Callable[[Actions, Request, dict[str, str], Response], Awaitable[None]]


def _form_endpoint(actions: Actions, action: Action) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        refuse_other_sites(request)
        response = RedirectResponse("/", 303)
        await action(actions, request, single_values(await request.form()), response)
        return response

    return endpoint


async def _sign_in(actions: Actions, request: Request, form: dict[str, str], response: Response) -> None:
    users = [user for account in actions.state.accounts.values() for user in account.users]
    user = next((each for each in users if each.id == form.get("user")), None)
    if user is None:
        raise Refusal(400, "invalid_request", "There is no such user.")
    actions.state.sessions.pop(request.cookies.get(COOKIE, ""), None)
    response.headers["Set-Cookie"] = cookie_header(actions.state, actions.start_session(user))


async def _sign_out(actions: Actions, request: Request, form: dict[str, str], response: Response) -> None:
    session = session_of(actions.state, request)
    response.headers["Set-Cookie"] = cookie_header(actions.state, "") + "; Max-Age=0"
    if session is not None:
        await actions.user_logout(session.user)


async def _install(actions: Actions, request: Request, form: dict[str, str], response: Response) -> None:
    account = actions.state.accounts.get(form.get("account", ""))
    app = actions.state.apps.get(form.get("app", ""))
    if account is None or app is None:
        raise Refusal(400, "invalid_request", "There is no such account or app.")
    if any(each.is_installed and (each.account, each.app) == (account, app) for each in _installations(actions)):
        raise Refusal(409, "conflict", "The app is installed in that account already.")
    await actions.install(account, app)


async def _uninstall(actions: Actions, request: Request, form: dict[str, str], response: Response) -> None:
    await actions.uninstall(_installed(actions, form))


async def _rotate(actions: Actions, request: Request, form: dict[str, str], response: Response) -> None:
    await actions.rotate(_installed(actions, form))


_ACTIONS: dict[str, Action] = {
    "sign-in": _sign_in,
    "sign-out": _sign_out,
    "install": _install,
    "uninstall": _uninstall,
    "rotate": _rotate,
}


def _installations(actions: Actions) -> list[Installation]:
    return list(actions.state.installations.values())


def _installed(actions: Actions, form: dict[str, str]) -> Installation:
    installation = actions.state.installations.get(form.get("installation", ""))
    if installation is None or not installation.is_installed:
        raise Refusal(409, "conflict", "That installation is gone already.")
    return installation


def feed(state: State) -> list[dict[str, Any]]:
    """What was sent and what was asked, the newest first; no bodies, no tokens."""
    lines = [_sent(each) for each in state.deliveries if each.attempts] + [_asked(each) for each in state.calls]
    return sorted(lines, key=lambda line: str(line["at"]), reverse=True)[:LINES]


def _sent(delivery: Delivery) -> dict[str, Any]:
    last = delivery.attempts[-1]
    tries = f", attempt {len(delivery.attempts)}" if len(delivery.attempts) > 1 else ""
    given_up = ", given up" if delivery.is_given_up else ""
    return {
        "at": last.at.isoformat(timespec="milliseconds"),
        "direction": "sent",
        "what": delivery.event.type,
        "detail": f"{delivery.event.app.name}, {last.milliseconds:.0f} ms{tries}{given_up}",
        "answer": str(last.status or last.error),
        "is_good": delivery.is_accepted,
    }


def _asked(call: ApiCall) -> dict[str, Any]:
    return {
        "at": call.at.isoformat(timespec="milliseconds"),
        "direction": "asked",
        "what": f"{call.method} {call.endpoint.replace('_', ' ')}",
        "detail": ", ".join(f"{name}: {value}" for name, value in call.detail.items()),
        "answer": str(call.status or "none"),
        "is_good": call.status is not None and call.status < 400,
    }
