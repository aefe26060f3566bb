"""Routes of the issuers and of Talkdesk's one redirect URL."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from starlette.requests import ClientDisconnect

from broker.errors import KeycloakError, OAuthError, StorageError
from broker.issuer.identifier import Issuers
from broker.issuer.keys import SigningKeys
from broker.model.failure import Stage
from broker.model.installation import Installation
from broker.model.names import Slug
from broker.model.outcome import Outcome
from broker.provider.authorize import Authorize
from broker.provider.callback import Callback
from broker.provider.discovery import discovery_document
from broker.provider.token import Token
from broker.reception import Reception

Render = Callable[[Request, Outcome], Response]

_MAX_FORM_BYTES = 64 * 1024
_READ_WITHIN_S = 10.0
_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


@dataclass(frozen=True)
class Provider:
    """What the routes need."""

    authorize: Authorize
    callback: Callback
    token: Token
    keys: SigningKeys
    issuers: Issuers
    find_installation: Callable[[Slug], Awaitable[Installation | None]]
    render: Render
    reception: Reception


def router(provider: Provider) -> APIRouter:
    """The routes."""
    routes = APIRouter()

    @routes.get("/oidc/jwks")
    async def jwks() -> Response:
        return JSONResponse(provider.keys.public_set(), headers={"Cache-Control": "public, max-age=300"})

    @routes.get("/oidc/{slug}/.well-known/openid-configuration")
    async def configuration(request: Request) -> Response:
        slug = _slug(request)
        if await provider.find_installation(slug) is None:
            return JSONResponse({"error": "not_found"}, status_code=404)
        document = discovery_document(provider.issuers, slug)
        return JSONResponse(document, headers={"Cache-Control": "public, max-age=300"})

    @routes.get("/oidc/{slug}/authorize")
    async def authorize(request: Request) -> Response:
        with provider.reception.receive(Stage.AUTHORIZE):
            outcome = await provider.authorize(_slug(request), request.query_params.multi_items(), request.cookies)
            return provider.render(request, outcome)

    @routes.post("/oidc/{slug}/token")
    async def token(request: Request) -> Response:
        try:
            with provider.reception.receive_call():
                return JSONResponse(await provider.token(_slug(request), await _form(request)), headers=_NO_STORE)
        except OAuthError as error:
            content = {"error": error.reason, "error_description": str(error)}
            return JSONResponse(content, status_code=error.status, headers=_NO_STORE)
        except (KeycloakError, StorageError) as error:
            content = {"error": "temporarily_unavailable", "error_description": f"no answer from {error.reason}"}
            return JSONResponse(content, status_code=503, headers=_NO_STORE)

    @routes.get("/talkdesk/callback")
    async def callback(request: Request) -> Response:
        with provider.reception.receive(Stage.CALLBACK):
            outcome = await provider.callback(request.query_params.multi_items(), request.cookies)
            return provider.render(request, outcome)

    return routes


def _slug(request: Request) -> Slug:
    """From the path as it is: a parameter of the function would have FastAPI make a model of it, at the start and for each request."""
    return Slug(request.path_params["slug"])


async def _form(request: Request) -> list[tuple[str, str]]:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise OAuthError("invalid_request", "the body must be application/x-www-form-urlencoded")
    if int(request.headers.get("content-length") or _MAX_FORM_BYTES + 1) > _MAX_FORM_BYTES:
        raise OAuthError("invalid_request", "the body is too big, or does not say its size")
    try:
        async with asyncio.timeout(_READ_WITHIN_S):
            form = await request.form()
    except (TimeoutError, ClientDisconnect):
        raise OAuthError("invalid_request", "the body did not come in time", status=408) from None
    return [(name, value) for name, value in form.multi_items() if isinstance(value, str)]
