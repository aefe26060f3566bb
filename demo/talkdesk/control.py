"""A JSON API that drives the stand-in from another process. Loopback only; not a part of the protocol.

A web page can't reach it: it answers only to a loopback name in `Host` (DNS rebinding), and takes JSON only, which a
browser doesn't send to another site without asking first.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, ValidationError

from demo.talkdesk.actions import Actions
from demo.talkdesk.model import Account, App, Delivery, Installation, User
from demo.talkdesk.refusal import Refusal
from demo.talkdesk.sign_in import cookie_header
from demo.talkdesk.wire import Endpoint, Faults, Silence

T = TypeVar("T")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Command(BaseModel):
    """Everything that a command may name; each uses what it needs."""

    model_config = ConfigDict(extra="forbid")

    account: str = ""
    app: str = ""
    installation: str = ""
    user: str = ""
    event: str = ""
    compromised: bool = False
    endpoint: Endpoint = Endpoint.TOKEN
    outcome: int | str = 503
    times: int = 1


def refuse_strangers(request: Request) -> None:
    peer = request.client.host if request.client else ""
    if peer not in _LOOPBACK or request.url.hostname not in _LOOPBACK:
        raise Refusal(403, "forbidden", "The control API answers on loopback only.")
    if request.method == "POST" and request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise Refusal(400, "invalid_request", "The control API takes application/json.")


def routes(actions: Actions, faults: Faults) -> APIRouter:
    router = APIRouter(prefix="/control")

    @router.get("/state")
    async def state(request: Request) -> Response:
        refuse_strangers(request)
        return JSONResponse(_snapshot(actions))

    @router.post("/fault")
    async def fault(request: Request) -> Response:
        command = await _command(request)
        faults.next(command.endpoint, _outcome(command), times=command.times)
        return JSONResponse({})

    for name, action in _ACTIONS.items():
        router.add_api_route(f"/{name}", _endpoint(actions, action), methods=["POST"], name=name)
    return router


Action = Callable[[Actions, Command], Awaitable[dict[str, Any]]]


def _endpoint(actions: Actions, action: Action) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return JSONResponse(await action(actions, await _command(request)))

    return endpoint


async def _command(request: Request) -> Command:
    refuse_strangers(request)
    try:
        return Command.model_validate_json(await request.body())
    except ValidationError as error:
        raise Refusal(400, "invalid_request", str(error)) from error


def _outcome(command: Command) -> int | Silence:
    if isinstance(command.outcome, int):
        return command.outcome
    return _known(Silence.__members__.get(command.outcome.upper()), "outcome")


async def _install(actions: Actions, command: Command) -> dict[str, Any]:
    installation = await actions.install(_account(actions, command), _app(actions, command))
    return _installation_row(installation) | {"delivery": _delivery_row(installation.deliveries[-1])}


async def _uninstall(actions: Actions, command: Command) -> dict[str, Any]:
    return _delivery_row(await actions.uninstall(_installation(actions, command)))


async def _rotate(actions: Actions, command: Command) -> dict[str, Any]:
    return _delivery_row(await actions.rotate(_installation(actions, command), compromised=command.compromised))


async def _user_logout(actions: Actions, command: Command) -> dict[str, Any]:
    return {"deliveries": [_delivery_row(each) for each in await actions.user_logout(_user(actions, command))]}


async def _sign_in(actions: Actions, command: Command) -> dict[str, Any]:
    value = actions.start_session(_user(actions, command))
    return {"set_cookie": cookie_header(actions.state, value)}


async def _retry(actions: Actions, command: Command) -> dict[str, Any]:
    delivery = _delivery(actions, command)
    try:
        await actions.retry_now(delivery)
    except ValueError as error:
        raise Refusal(409, "conflict", str(error)) from error
    return _delivery_row(delivery)


async def _redeliver(actions: Actions, command: Command) -> dict[str, Any]:
    return _delivery_row(await actions.deliver(_delivery(actions, command).event))


_ACTIONS: dict[str, Action] = {
    "install": _install,
    "uninstall": _uninstall,
    "rotate": _rotate,
    "user-logout": _user_logout,
    "sign-in": _sign_in,
    "retry": _retry,
    "redeliver": _redeliver,
}


def _account(actions: Actions, command: Command) -> Account:
    return _known(actions.state.accounts.get(command.account), "account")


def _app(actions: Actions, command: Command) -> App:
    return _known(actions.state.apps.get(command.app), "app")


def _installation(actions: Actions, command: Command) -> Installation:
    return _known(actions.state.installations.get(command.installation), "installation")


def _user(actions: Actions, command: Command) -> User:
    users = [user for account in actions.state.accounts.values() for user in account.users]
    return _known(next((each for each in users if each.id == command.user), None), "user")


def _delivery(actions: Actions, command: Command) -> Delivery:
    found = [each for each in actions.state.deliveries if each.event.id == command.event]
    return _known(found[-1] if found else None, "event")


def _known(thing: T | None, what: str) -> T:
    if thing is None:
        raise Refusal(404, "not_found", f"There is no such {what}.")
    return thing


def _snapshot(actions: Actions) -> dict[str, Any]:
    state = actions.state
    return {
        "accounts": [
            {
                "account": account.slug,
                "id": account.id,
                "name": account.name,
                "users": [{"id": user.id, "name": user.name, "email": user.email} for user in account.users],
            }
            for account in state.accounts.values()
        ],
        "apps": [{"id": app.id, "name": app.name} for app in state.apps.values()],
        "installations": [_installation_row(each) for each in state.installations.values()],
        "deliveries": [_delivery_row(each) for each in state.deliveries],
        "calls": [
            {"endpoint": call.endpoint, "path": call.path, "status": call.status, "detail": call.detail}
            for call in state.calls
        ],
    }


def _installation_row(installation: Installation) -> dict[str, Any]:
    return {
        "id": installation.id,
        "account": installation.account.slug,
        "app": installation.app.id,
        "state": installation.state,
        "answers": installation.answers,
    }


def _delivery_row(delivery: Delivery) -> dict[str, Any]:
    return {
        "event": delivery.event.id,
        "type": delivery.event.type,
        "installation": delivery.event.installation_id,
        "status": delivery.status,
        "attempts": [each.status or each.error for each in delivery.attempts],
        "is_given_up": delivery.is_given_up,
    }
