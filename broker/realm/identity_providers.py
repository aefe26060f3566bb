"""Identity providers of the realm, through python-keycloak (port `IdentityProviders`).

Owns: Keycloak's admin API for identity providers and their mappers, and what its status codes mean.
Leaves to others: what an identity provider should look like. Needs the role `manage-identity-providers`, nothing else.
"""

import json
from collections.abc import Sequence
from typing import cast

from keycloak import KeycloakAdmin
from keycloak.exceptions import (
    HTTP_CONFLICT,
    HTTP_NOT_FOUND,
    KeycloakGetError,
    KeycloakOperationError,
    raise_error_from_response,
)

from broker.model.names import ALIAS_PREFIX, Alias
from broker.ports import Json
from broker.realm.connection import RealmConnection, path_part, translated


class KeycloakIdentityProviders:
    """The real ones."""

    def __init__(self, connection: RealmConnection) -> None:
        """Calls nothing yet."""
        self._admin = KeycloakAdmin(connection=connection)
        self._list = f"admin/realms/{connection.realm_name}/identity-provider/instances"

    async def find(self, alias: Alias) -> Json | None:
        """The representation; None if there is none."""
        with translated(f"identity provider {alias}"):
            try:
                return await self._admin.a_get_idp(path_part(alias))
            except KeycloakOperationError as error:
                if _says_missing(error):
                    return None
                raise

    async def page(self, first: int, size: int) -> Sequence[Json]:
        """As the port says.

        The search takes out what is neither called `talkdesk…` nor shown as such; case does not matter to it. Keycloak can't search by
        `config`, where the mark of ownership is.
        """
        with translated("list of identity providers"):
            answer = await self._admin.connection.a_raw_get(
                self._list, search=ALIAS_PREFIX, first=first, max=size, briefRepresentation="false"
            )
            found = cast(list[Json], raise_error_from_response(answer, KeycloakGetError))
            # A KeyError or TypeError here is an answer that is not Keycloak's.
            return [each for each in found if each["alias"]]

    async def create(self, representation: Json) -> bool:
        """False where the alias is taken."""
        with translated(f"create identity provider {representation['alias']}"):
            try:
                await self._admin.a_create_idp(representation)
            except KeycloakOperationError as error:
                if error.response_code == HTTP_CONFLICT:
                    return False
                raise
        return True

    async def replace(self, representation: Json) -> None:
        """Replace all of it, as Keycloak's PUT does."""
        alias = representation["alias"]
        with translated(f"replace identity provider {alias}"):
            await self._admin.a_update_idp(path_part(alias), representation)

    async def delete(self, alias: Alias) -> None:
        """Gone afterwards, also if it was gone before."""
        with translated(f"delete identity provider {alias}"):
            try:
                await self._admin.a_delete_idp(path_part(alias))
            except KeycloakOperationError as error:
                if not _says_missing(error):
                    raise

    async def mappers(self, alias: Alias) -> Sequence[Json]:
        """Its mappers."""
        with translated(f"mappers of identity provider {alias}"):
            mappers: list[Json] = await self._admin.a_get_idp_mappers(path_part(alias))
            return mappers

    async def create_mapper(self, alias: Alias, mapper: Json) -> None:
        """Add one."""
        with translated(f"create mapper of identity provider {alias}"):
            await self._admin.a_add_mapper_to_idp(path_part(alias), mapper)

    async def replace_mapper(self, alias: Alias, mapper: Json) -> None:
        """Replace one; `mapper` holds its `id`."""
        with translated(f"replace mapper of identity provider {alias}"):
            await self._admin.a_update_mapper_in_idp(path_part(alias), path_part(mapper["id"]), mapper)


def _says_missing(error: KeycloakOperationError) -> bool:
    """Whether it is Keycloak that says so, of this identity provider.

    A missing realm is a 404 too, and so is a proxy that sends us nowhere; to take those for a deleted identity provider
    would give every installation a new alias.
    """
    if error.response_code != HTTP_NOT_FOUND:
        return False
    try:
        answer = json.loads(error.response_body or b"")
    except ValueError:
        return False
    return isinstance(answer, dict) and "error" in answer and not str(answer["error"]).startswith("Realm")
