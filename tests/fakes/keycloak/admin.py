"""Admin REST: identity providers and their mappers, as python-keycloak 7.1 calls them.

Follows docs/keycloak.md "Identity provider" and T6. The role `manage-identity-providers` covers all of it; users are in `users`.
No other part of the admin API is here.
"""

import uuid
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.fakes.keycloak.model import FIRST_LOGIN_FLOW, Json, Provider
from tests.fakes.keycloak.realm import Realm

ROLE = "manage-identity-providers"

_FIELDS = {
    "alias",
    "displayName",
    "internalId",
    "providerId",
    "enabled",
    "updateProfileFirstLoginMode",
    "trustEmail",
    "storeToken",
    "addReadTokenRoleOnCreate",
    "authenticateByDefault",
    "linkOnly",
    "hideOnLogin",
    "firstBrokerLoginFlowAlias",
    "postBrokerLoginFlowAlias",
    "organizationId",
    "types",
    "config",
}
_URLS = ("authorizationUrl", "tokenUrl", "jwksUrl", "userInfoUrl", "logoutUrl")

Endpoint = Callable[[Request], Awaitable[Response]]


class AdminEndpoints:
    """`/identity-provider/instances` and below."""

    def __init__(self, realm: Realm) -> None:
        self._realm = realm

    def routes(self) -> list[Route]:
        one, mappers = "/identity-provider/instances/{alias}", "/identity-provider/instances/{alias}/mappers"
        table: list[tuple[str, str, Endpoint]] = [
            ("GET", "/identity-provider/instances", self.list_providers),
            ("POST", "/identity-provider/instances", self.create),
            ("GET", one, self.get),
            ("PUT", one, self.replace),
            ("DELETE", one, self.delete),
            ("GET", mappers, self.list_mappers),
            ("POST", mappers, self.create_mapper),
            ("PUT", mappers + "/{id}", self.replace_mapper),
            ("DELETE", mappers + "/{id}", self.delete_mapper),
        ]
        return [Route(path, self._guarded(endpoint), methods=[method]) for method, path, endpoint in table]

    def _guarded(self, endpoint: Endpoint) -> Endpoint:
        async def guarded(request: Request) -> Response:
            if refused := refusal(self._realm, request, ROLE):
                return refused
            if "alias" in request.path_params and request.path_params["alias"] not in self._realm.providers:
                return _problem(404, "HTTP 404 Not Found")
            return await endpoint(request)

        return guarded

    def _provider(self, request: Request) -> Provider:
        return self._realm.providers[request.path_params["alias"]]

    async def list_providers(self, request: Request) -> Response:
        query = request.query_params
        first, count = int(query.get("first", "0")), int(query.get("max", "100"))
        wanted = query.get("search", "").lower()
        found = [each for each in self._realm.providers.values() if _is_named(each, wanted)]
        chosen = sorted(found, key=lambda provider: provider.alias)[first : first + count]
        is_brief = query.get("briefRepresentation") == "true"
        return JSONResponse([provider.brief if is_brief else provider.representation for provider in chosen])

    async def create(self, request: Request) -> Response:
        sent = await request.json()
        problem = _problem_of(sent)
        if problem:
            return problem
        alias = sent["alias"]
        if alias in self._realm.providers:
            return _problem(409, f"Identity Provider {alias} already exists")
        self._realm.providers[alias] = Provider(_kept(sent))
        return _created(request, alias)

    async def get(self, request: Request) -> Response:
        return JSONResponse(self._provider(request).representation)

    async def replace(self, request: Request) -> Response:
        """What is left out is gone."""
        sent, provider = await request.json(), self._provider(request)
        problem = _problem_of(sent)
        if problem:
            return problem
        if sent["alias"] != provider.alias:
            return _problem(400, "Identity Provider alias can't be changed")
        provider.sent = _kept(sent)
        return Response(status_code=204)

    async def delete(self, request: Request) -> Response:
        self._realm.delete_provider(self._provider(request).alias)
        return Response(status_code=204)

    async def list_mappers(self, request: Request) -> Response:
        return JSONResponse(list(self._provider(request).mappers.values()))

    async def create_mapper(self, request: Request) -> Response:
        sent, provider = await request.json(), self._provider(request)
        if any(mapper["name"] == sent["name"] for mapper in provider.mappers.values()):
            return _problem(400, f"Failed to add mapper '{sent['name']}' to identity provider [{provider.alias}].")
        mapper_id = str(uuid.uuid4())
        provider.mappers[mapper_id] = _kept(sent) | {"id": mapper_id, "identityProviderAlias": provider.alias}
        return _created(request, mapper_id)

    async def replace_mapper(self, request: Request) -> Response:
        """The body must name the mapper as the path does."""
        sent, provider = await request.json(), self._provider(request)
        mapper_id = request.path_params["id"]
        if mapper_id not in provider.mappers:
            return _problem(404, "Model not found")
        if sent.get("id") != mapper_id:
            return _problem(500, "unknown_error")
        provider.mappers[mapper_id] = _kept(sent) | {"identityProviderAlias": provider.alias}
        return Response(status_code=204)

    async def delete_mapper(self, request: Request) -> Response:
        if self._provider(request).mappers.pop(request.path_params["id"], None) is None:
            return _problem(404, "Model not found")
        return Response(status_code=204)


def _is_named(provider: Provider, start: str) -> bool:
    """Whether Keycloak's search for a name that begins so finds it: by alias or display name, whatever the case."""
    return any(name.lower().startswith(start) for name in (provider.alias, provider.sent.get("displayName") or ""))


def refusal(realm: Realm, request: Request, role: str) -> Response | None:
    """The answer to whoever may not ask."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    claims = realm.verify(token) if scheme.lower() == "bearer" else None
    if claims is None or claims.get("typ") != "Bearer" or claims["exp"] <= realm.now_s:
        return _problem(401, "HTTP 401 Unauthorized")
    if role not in claims.get("resource_access", {}).get("realm-management", {}).get("roles", ()):
        return _problem(403, "HTTP 403 Forbidden")
    return None


def _problem_of(sent: Json) -> Response | None:
    unknown = sorted(sent.keys() - _FIELDS)
    if unknown:
        return _problem(400, f'Unrecognized field "{unknown[0]}"')
    config = sent.get("config", {})
    if (
        not sent.get("alias")
        or not sent.get("providerId")
        or any(isinstance(value, dict | list) for value in config.values())
    ):
        return _problem(400, "Invalid representation")
    for name in _URLS:
        parts = urlsplit(config.get(name) or "http://none")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return _problem(400, f"The url [{name}] is malformed")
    if (
        sent.get("firstBrokerLoginFlowAlias") not in (None, FIRST_LOGIN_FLOW)
        or len(sent.get("displayName") or "") > 255
    ):
        return _problem(500, "unknown_error")
    return None


def _kept(sent: Json) -> Json:
    """What Keycloak keeps: all values of `config` as text, the empty ones not at all; nothing that it makes itself."""
    config = {key: _text(value) for key, value in sent.get("config", {}).items() if value not in ("", None)}
    return {key: value for key, value in sent.items() if key not in ("internalId", "types")} | {"config": config}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _created(request: Request, name: str) -> Response:
    return Response(status_code=201, headers={"Location": f"{request.url.path}/{name}"})


def _problem(status: int, text: str) -> Response:
    return JSONResponse({"errorMessage" if status in (400, 409) else "error": text}, status)
