"""Changes of the realm, carried out: one method a part (Keycloak's admin API).

Owns: how each part is written so that what is not in the change stays. Leaves to others: what is to be written; the ids of what a change
names are looked up when it is made, since an earlier change may just have made it.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from broker.errors import KeycloakError
from broker.model.realm_setup import Change, Json, Part
from broker.realm.connection import path_part
from broker.realm.resources import Resources
from broker.realm.writing_flows import FlowWriting

_MAPPERS = "protocol-mappers/models"


class Writing:
    """Carries out changes."""

    def __init__(self, resources: Resources) -> None:
        """Calls nothing yet."""
        self._api = resources
        self._by_part: Mapping[Part, Callable[[Change], Awaitable[None]]] = {
            Part.SCOPE: self._scope,
            Part.DEFAULT_SCOPES: self._default_scopes,
            Part.ROLE: self._role,
            Part.FLOW: FlowWriting(resources),
            Part.SETTINGS: self._settings,
            Part.PROFILE: self._profile,
            Part.REQUIRED_ACTION: self._required_action,
            Part.TEXTS: self._texts,
            Part.CLIENT: self._client,
            Part.ACCOUNT_ROLES: self._account_roles,
        }

    async def __call__(self, change: Change) -> None:
        """Raises KeycloakError."""
        await self._by_part[change.part](change)

    async def _scope(self, change: Change) -> None:
        if change.is_new:
            await self._api.post("client-scopes", change.content)
            return
        found = await self._scope_named(change.name)
        await self._with_mappers(f"client-scopes/{path_part(found['id'])}", found, change)

    async def _client(self, change: Change) -> None:
        if change.is_new:
            client_id = await self._api.post("clients", change.content)
            if change.content.get("serviceAccountsEnabled"):
                await self._without_default_roles(client_id)
            return
        (found,) = await self._api.get("clients", clientId=change.name)
        path = f"clients/{path_part(found['id'])}"
        await self._with_mappers(path, found, change)
        for name in set(change.content.get("defaultClientScopes", ())) - set(found["defaultClientScopes"]):
            scope = await self._scope_named(name)
            await self._api.put(f"{path}/default-client-scopes/{path_part(scope['id'])}", {})

    async def _without_default_roles(self, client_id: str) -> None:
        """A service account that was just made has the roles of everybody, which may be many; ours has those that are asked for."""
        user = await self._api.get(f"clients/{path_part(client_id)}/service-account-user")
        path = f"users/{path_part(user['id'])}/role-mappings/realm"
        for role in await self._api.get(path):
            await self._api.delete(path, [role])

    async def _with_mappers(self, path: str, found: Json, change: Change) -> None:
        """Fields that differ, then mappers that differ."""
        fields = {each.field.partition(".")[0] for each in change.differences}
        ours = {name: change.content[name] for name in fields - {"protocolMappers", "defaultClientScopes"}}
        if ours:
            merged = {name: value for name, value in found.items() if name not in ("protocolMappers", "access")} | ours
            if "attributes" in ours:
                merged["attributes"] = found.get("attributes", {}) | ours["attributes"]
            await self._api.put(path, merged)
        if "protocolMappers" not in fields:
            return
        there = {each["name"]: each for each in found.get("protocolMappers", ())}
        for mapper in change.content["protocolMappers"]:
            if (current := there.get(mapper["name"])) is None:
                await self._api.post(f"{path}/{_MAPPERS}", mapper)
            elif (
                current["protocolMapper"] != mapper["protocolMapper"]
            ):  # of another kind: its settings mean other things
                await self._api.delete(f"{path}/{_MAPPERS}/{path_part(current['id'])}")
                await self._api.post(f"{path}/{_MAPPERS}", mapper)
            else:
                merged = current | mapper | {"config": current.get("config", {}) | mapper["config"]}
                await self._api.put(f"{path}/{_MAPPERS}/{path_part(current['id'])}", merged)

    async def _default_scopes(self, change: Change) -> None:
        for name in change.content:
            scope = await self._scope_named(name)
            await self._api.put(f"default-default-client-scopes/{path_part(scope['id'])}", {})

    async def _role(self, change: Change) -> None:
        await self._api.post("roles", change.content)

    async def _settings(self, change: Change) -> None:
        """Only what differs: the realm's whole representation would carry every identity provider, and what others change meanwhile."""
        ours = {name: change.content[name] for name in {each.field.partition(".")[0] for each in change.differences}}
        if "attributes" in ours:  # of these, Keycloak removes what is not sent
            ours["attributes"] = (await self._api.get("")).get("attributes", {}) | ours["attributes"]
        await self._api.put("", ours)

    async def _profile(self, change: Change) -> None:
        profile = await self._api.get("users/profile")
        ours = {each["name"]: each for each in change.content}
        there = profile.get("attributes", [])
        kept = [ours.pop(each["name"], each) for each in there]
        await self._api.put("users/profile", profile | {"attributes": [*kept, *ours.values()]})

    async def _required_action(self, change: Change) -> None:
        path = f"authentication/required-actions/{path_part(change.name)}"
        found = await self._api.get(path)
        ours = {each.field: change.content[each.field] for each in change.differences}
        await self._api.put(path, found | ours)

    async def _texts(self, change: Change) -> None:
        await self._api.post(f"localization/{path_part(change.name)}", change.content)  # adds to those that are there

    async def _account_roles(self, change: Change) -> None:
        (account,) = await self._api.get("clients", clientId=change.name)
        (management,) = await self._api.get("clients", clientId="realm-management")
        user = await self._api.get(f"clients/{path_part(account['id'])}/service-account-user")
        path = f"clients/{path_part(management['id'])}/roles"
        roles = [await self._api.get(f"{path}/{path_part(name)}") for name in change.content]
        await self._api.post(
            f"users/{path_part(user['id'])}/role-mappings/clients/{path_part(management['id'])}", roles
        )

    async def _scope_named(self, name: str) -> Json:
        scopes: Sequence[Any] = await self._api.get("client-scopes")
        for scope in scopes:
            if scope["name"] == name:
                return dict(scope)
        raise KeycloakError(f"there is no client scope {name}")
