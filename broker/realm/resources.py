"""Keycloak's admin API below one realm, by path: JSON in, JSON out, and every answer but success an error.

Owns: the calls. The library's raw ones don't raise. Leaves to others: which paths there are.
"""

from json import dumps
from typing import Any

import httpx
from keycloak import KeycloakOpenIDConnection
from keycloak.exceptions import KeycloakOperationError

from broker.realm.connection import translated


class Resources:
    """The realm that a connection is for."""

    def __init__(self, connection: KeycloakOpenIDConnection) -> None:
        """Calls nothing yet."""
        self._connection = connection
        self._base = f"admin/realms/{connection.realm_name}"

    async def get(self, path: str, **query: Any) -> Any:
        """What is there."""
        with translated(f"read {path or 'the realm'}"):
            return _checked(await self._connection.a_raw_get(self._at(path), **query)).json()

    async def get_of_server(self, path: str) -> Any:
        """What is there, above all realms."""
        with translated(f"read {path}"):
            return _checked(await self._connection.a_raw_get(path)).json()

    async def post(self, path: str, content: Any) -> str:
        """Make something; the last part of its address, which is its id."""
        with translated(f"create {path}"):
            answer = _checked(await self._connection.a_raw_post(self._at(path), dumps(content)))
            return str(answer.headers.get("Location", "")).rpartition("/")[2]

    async def put(self, path: str, content: Any) -> None:
        """Replace something."""
        with translated(f"replace {path or 'the realm'}"):
            _checked(await self._connection.a_raw_put(self._at(path), dumps(content)))

    async def delete(self, path: str, content: Any = None) -> None:
        """Take something away; of a list, what is in the content."""
        with translated(f"delete {path}"):
            _checked(await self._connection.a_raw_delete(self._at(path), dumps(content) if content else None))

    def _at(self, path: str) -> str:
        return f"{self._base}/{path}" if path else self._base


def _checked(answer: httpx.Response) -> httpx.Response:
    if not 200 <= answer.status_code < 300:
        raise KeycloakOperationError(
            error_message="refused", response_code=answer.status_code, response_body=answer.content
        )
    return answer
