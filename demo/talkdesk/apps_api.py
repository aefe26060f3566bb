"""The Apps API: the answers that an app owes, and what it may ask ("Partner App Requirements", event reference pages).

Bearer tokens from client credentials; a token is good for its own installation only.
"""

import json
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from demo.talkdesk.bearer import bearer
from demo.talkdesk.model import Installation, InstallationState
from demo.talkdesk.refusal import Refusal, note
from demo.talkdesk.state import State
from demo.talkdesk.variants import UninstallAnswer

PAGE_SIZE = 50
_STATES = {"approve": InstallationState.APPROVED, "reject": InstallationState.REJECTED}
_INSTALLATION = "/apps/{app_id}/installations/{installation_id}"


def routes(state: State) -> APIRouter:
    router = APIRouter()

    @router.post(_INSTALLATION + "/state")
    async def answer(app_id: str, installation_id: str, request: Request) -> Response:
        installation = _installation(state, request, "apps:write", app_id, installation_id)
        verdict = (await _json_object(request)).get("state")
        if verdict not in _STATES:
            raise Refusal(400, "invalid_request", "state is approve or reject")
        note(request, installation=installation.id, state=verdict)
        if not installation.is_installed:
            _acknowledge_uninstalled(state, installation, verdict)
        else:
            installation.state = _STATES[verdict]
        installation.answers.append(verdict)
        return JSONResponse({"state": verdict})

    @router.post(_INSTALLATION + "/credentials/{client_id}/state")
    async def acknowledge(app_id: str, installation_id: str, client_id: str, request: Request) -> Response:
        installation = _installation(state, request, "apps:write", app_id, installation_id)
        if (await _json_object(request)).get("state") != "acknowledged":
            raise Refusal(400, "invalid_request", "state is acknowledged")
        note(request, installation=installation.id, state="acknowledged")
        _acknowledge_credentials(state, installation, client_id)
        return Response(status_code=202)

    @router.post(_INSTALLATION + "/credentials/actions/rotate")
    async def rotate(app_id: str, installation_id: str, request: Request) -> Response:
        installation = _installation(state, request, "apps:write", app_id, installation_id)
        note(request, installation=installation.id)
        state.rotation_wanted(installation)
        return Response(status_code=202)

    @router.get(_INSTALLATION + "/users")
    async def users(app_id: str, installation_id: str, request: Request) -> Response:
        installation = _installation(state, request, "apps:read", app_id, installation_id)
        page = _number(request, "page", 1, 1_000_000)
        per_page = _number(request, "per_page", PAGE_SIZE, 100)
        note(request, installation=installation.id, page=str(page))
        return JSONResponse(_users_page(state, installation, page, per_page))

    return router


def _installation(state: State, request: Request, scope: str, app_id: str, installation_id: str) -> Installation:
    token = bearer(state, request, scope)
    installation = state.installations.get(installation_id)
    if installation is None or installation.app.id != app_id:
        raise Refusal(404, "not_found", "There is no such installation.")
    if token.installation is not installation:
        raise Refusal(403, "forbidden", "The access token is another installation's.")
    return installation


def _acknowledge_uninstalled(state: State, installation: Installation, verdict: str) -> None:
    """After it the credentials are dead."""
    match state.variants.uninstall_answer:
        case UninstallAnswer.DEAD_403:
            raise Refusal(403, "forbidden", "The app is not installed any more.")
        case UninstallAnswer.DEAD_404:
            raise Refusal(404, "not_found", "The app is not installed any more.")
    if verdict != "approve":
        raise Refusal(403, "forbidden", "An uninstallation can't be rejected.")
    for each in installation.credential_sets:
        each.dead_from = state.clock()


def _acknowledge_credentials(state: State, installation: Installation, client_id: str) -> None:
    """Ends every set but the acknowledged one."""
    matching = [each for each in installation.credential_sets if each.credentials.client_id == client_id]
    if not matching:
        raise Refusal(404, "not_found", "There are no such credentials.")
    if not matching[-1].awaits_acknowledgement:
        raise Refusal(409, "conflict", "These credentials wait for no acknowledgement.")
    matching[-1].awaits_acknowledgement = False
    for each in installation.credential_sets:
        if each is not matching[-1]:
            each.dead_from = state.clock()


def _users_page(state: State, installation: Installation, page: int, per_page: int) -> dict[str, Any]:
    base = f"{state.addresses.gateway}/apps/{installation.app.id}/installations/{installation.id}/users"
    total, start = len(installation.users), (page - 1) * per_page
    links = {"self": {"href": f"{base}?page={page}&per_page={per_page}"}}
    if start + per_page < total:
        links["next"] = {"href": f"{base}?page={page + 1}&per_page={per_page}"}
    shown = installation.users[start : start + per_page]
    return {
        "total": total,
        "page": page,
        "per_page": per_page,
        "_embedded": {"users": [{"id": user.id, "name": user.name, "email": user.email} for user in shown]},
        "_links": links,
    }


async def _json_object(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body())
    except ValueError as error:
        raise Refusal(400, "invalid_request", "The body is no JSON.") from error
    if not isinstance(body, dict):
        raise Refusal(400, "invalid_request", "The body is no JSON object.")
    return body


def _number(request: Request, name: str, default: int, largest: int) -> int:
    text = request.query_params.get(name, str(default))
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= largest):
        raise Refusal(400, "invalid_request", f"{name} is a number from 1 to {largest}")
    return int(text)
