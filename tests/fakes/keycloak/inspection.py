"""What `broker check` asks of Keycloak: its version, and what it reads at an address ("import from URL" of its console).

Both as seen on 26.7.3: a service account of the realm gets `serverinfo` without the system's part; what can't be fetched is a 500; a JSON
without an issuer is taken, and nothing is said of one.
"""

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.fakes.keycloak.admin import ROLE, refusal
from tests.fakes.keycloak.realm import Realm


class InspectionEndpoints:
    """Two endpoints of the admin API."""

    def __init__(self, realm: Realm, outgoing: httpx.AsyncClient) -> None:
        self._realm = realm
        self._outgoing = outgoing

    def of_realm(self) -> list[Route]:
        return [Route("/identity-provider/import-config", self.import_config, methods=["POST"])]

    def of_server(self) -> list[Route]:
        return [Route("/admin/serverinfo", self.server_info)]

    async def server_info(self, request: Request) -> Response:
        return refusal(self._realm, request, ROLE) or JSONResponse({"profileInfo": {"name": "default"}})

    async def import_config(self, request: Request) -> Response:
        if refused := refusal(self._realm, request, ROLE):
            return refused
        url = (await request.json())["fromUrl"]
        try:
            answer = await self._outgoing.get(url)
            read = answer.raise_for_status().json()
        except (httpx.HTTPError, ValueError):
            return JSONResponse({"error": "unknown_error"}, 500)
        named = {"issuer": read["issuer"]} if "issuer" in read else {}
        return JSONResponse({"metadataDescriptorUrl": url, **named})
