"""Admin REST: users and their links, read only, as laxly as Keycloak searches.

Follows docs/keycloak.md "Users, as the admin API finds them". The role is `view-users`.
"""

import re
from dataclasses import asdict

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.fakes.keycloak.admin import refusal
from tests.fakes.keycloak.model import Json, User
from tests.fakes.keycloak.realm import Realm

ROLE = "view-users"

_QUERY = re.compile(r'"((?:[^"\\]|\\.)*)":"((?:[^"\\]|\\.)*)"')


class UserEndpoints:
    """`/users` and below."""

    def __init__(self, realm: Realm) -> None:
        self._realm = realm

    def routes(self) -> list[Route]:
        return [Route("/users", self.search), Route("/users/{id}/federated-identity", self.links)]

    async def search(self, request: Request) -> Response:
        """Everybody for whom all parameters hold."""
        if refused := refusal(self._realm, request, ROLE):
            return refused
        query = dict(request.query_params)
        found = [user for user in self._realm.users if _fits(user, query)]
        return JSONResponse([_representation(user) for user in found[: int(query.get("max", "100"))]])

    async def links(self, request: Request) -> Response:
        """Identity providers that sign the user on."""
        if refused := refusal(self._realm, request, ROLE):
            return refused
        user = next((user for user in self._realm.users if user.id == request.path_params["id"]), None)
        if user is None:
            return JSONResponse({"error": "User not found"}, 404)
        return JSONResponse(
            [{"identityProvider": alias, "userId": sub, "userName": sub} for alias, sub in user.links.items()]
        )


def _fits(user: User, query: dict[str, str]) -> bool:
    def equals(name: str, value: str | None) -> bool:
        return name not in query or (value or "").lower() == query[name].lower()

    alias, sub = query.get("idpAlias"), query.get("idpUserId")
    is_linked = alias is None or user.links.get(alias) == sub
    return is_linked and equals("email", user.email) and equals("username", user.username) and _has(user, query)


def _has(user: User, query: dict[str, str]) -> bool:
    """Attributes are compared without regard to case."""
    wanted = [(_unquoted(name), _unquoted(value).lower()) for name, value in _QUERY.findall(query.get("q", ""))]
    return all(value in [each.lower() for each in user.attributes.get(name, [])] for name, value in wanted)


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _representation(user: User) -> Json:
    kept = asdict(user)
    names = {"id": "id", "username": "username", "email": "email", "first_name": "firstName", "last_name": "lastName"}
    shown = {wire: kept[name] for name, wire in names.items() if kept[name]}
    return {**shown, "enabled": user.is_enabled, "attributes": user.attributes}
