"""`POST /relay/{slug}`: where Keycloak posts an app's logout token (OpenID Connect Back-Channel Logout 1.0, 2.5 and 2.8).

Owns: a body of limited size in limited time, and the answer. Leaves to others: everything that is decided (`relay`).
"""

import asyncio
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.requests import ClientDisconnect

from broker.errors import LogoutRefused
from broker.logout.relay import Relay

MAX_BODY_BYTES = 16 * 1024
"""Keycloak's are about 1 KB."""
READ_WITHIN_S = 5.0
_FORM = "application/x-www-form-urlencoded"
_NO_STORE = {"Cache-Control": "no-store"}


def router(relay: Relay, *, read_within_s: float = READ_WITHIN_S) -> APIRouter:
    """The route."""
    routes = APIRouter()

    @routes.post("/relay/{slug}")
    async def receive(request: Request) -> Response:
        slug = request.path_params["slug"]  # as a parameter the framework would make a model of it
        try:
            await relay(slug, _token(await _read(request, read_within_s)))
        except LogoutRefused as refused:
            content = {"error": "invalid_request", "error_description": refused.reason}
            return JSONResponse(content, refused.status, _NO_STORE)
        return Response(status_code=200, headers=_NO_STORE)

    return routes


async def _read(request: Request, within_s: float) -> bytes:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        raise LogoutRefused(400, "no_form", f"the body must be {_FORM}")
    body = bytearray()
    try:
        async with asyncio.timeout(within_s):
            async for piece in request.stream():
                body += piece
                if len(body) > MAX_BODY_BYTES:
                    raise LogoutRefused(413, "too_big", f"more than {MAX_BODY_BYTES} bytes")
    except TimeoutError:
        raise LogoutRefused(408, "too_slow", "the body did not come in time") from None
    except ClientDisconnect:
        raise LogoutRefused(400, "incomplete", "the sender went away") from None
    return bytes(body)


def _token(body: bytes) -> str:
    try:
        [token] = parse_qs(body.decode("ascii"), strict_parsing=True, max_num_fields=10)["logout_token"]
    except (ValueError, KeyError):
        raise LogoutRefused(400, "no_token", "not exactly one logout_token") from None
    return token
