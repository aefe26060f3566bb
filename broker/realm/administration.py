"""The realm as its administrator sees it (port `RealmAdministration`): what is there is read here, in the shape of the realm file.

Owns: Keycloak's admin API for all that `realm apply` may touch, as far as it is read. Leaves to others: writing (`realm/writing`), and what
is wanted. Parts that the account may not see are named, not guessed. Reads that grow with the number of installations are not made: the
identity providers are in none of them but the realm's own representation, which is read once a command.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from broker.errors import KeycloakError
from broker.model.realm_setup import Change, Flow, FoundRealm, Json, Part, RealmSetup, Step
from broker.realm.connection import path_part
from broker.realm.resources import Resources
from broker.realm.writing import Writing

_PAGE = 100


class KeycloakAdministration:
    """The real one."""

    def __init__(self, resources: Resources) -> None:
        """Calls nothing yet."""
        self._api = resources
        self._writing = Writing(resources)

    async def write(self, change: Change) -> None:
        """As the port says."""
        await self._writing(change)

    async def read(self, wanted: RealmSetup, *, looks_at_every_client: bool) -> FoundRealm:
        """As the port says."""
        unseen: set[Part] = set()

        async def see(part: Part, path: str, **query: Any) -> Any:
            """None where this account may not see it."""
            try:
                return await self._api.get(path, **query)
            except KeycloakError as error:
                if error.status != 403:
                    raise
                unseen.add(part)
                return None

        settings: Json = await self._api.get("")
        if "registrationAllowed" not in settings:  # who may not see the realm gets its name, and no error
            unseen |= {Part.SETTINGS, Part.TEXTS}
        scopes = await see(Part.SCOPE, "client-scopes") or ()
        defaults = await see(Part.DEFAULT_SCOPES, "default-default-client-scopes") or ()
        clients = await self._clients([*wanted.clients, wanted.account_client], see)
        if Part.CLIENT in unseen:
            unseen.add(Part.ACCOUNT_ROLES)
        actions = await see(Part.REQUIRED_ACTION, "authentication/required-actions") or ()
        setup = RealmSetup(
            settings=settings,
            scopes=_by("name", scopes),
            default_scopes=frozenset(each["name"] for each in defaults),
            roles=await self._roles(wanted.roles, see),
            flows=await self._flows(wanted.flows, see),
            profile=await see(Part.PROFILE, "users/profile"),
            required_actions=_by("alias", actions),
            texts=await self._texts(settings, see) if Part.TEXTS not in unseen else {},
            clients=clients,
            account_client=wanted.account_client,
            account_roles=await self._account_roles(clients.get(wanted.account_client), see),
        )
        own_flows = await self._own_flows(see) if looks_at_every_client and Part.CLIENT not in unseen else {}
        return FoundRealm(setup, frozenset(unseen), await self._version(), own_flows)

    async def _clients(self, client_ids: Sequence[str], see: Any) -> Mapping[str, Json]:
        found = {}
        for client_id in dict.fromkeys(client_ids):
            for client in await see(Part.CLIENT, "clients", clientId=client_id) or ():
                found[client_id] = client
        return found

    async def _roles(self, wanted: Mapping[str, Json], see: Any) -> Mapping[str, Json]:
        if not wanted:
            return {}
        every = await see(Part.ROLE, "roles", briefRepresentation="true", max=10_000) or ()
        return {name: role for name, role in _by("name", every).items() if name in wanted}

    async def _account_roles(self, client: Json | None, see: Any) -> frozenset[str]:
        if client is None:
            return frozenset()
        user = await see(Part.ACCOUNT_ROLES, f"clients/{path_part(client['id'])}/service-account-user")
        if user is None:
            return frozenset()
        mappings = await see(Part.ACCOUNT_ROLES, f"users/{path_part(user['id'])}/role-mappings") or {}
        of_realm = mappings.get("clientMappings", {}).get("realm-management", {}).get("mappings", ())
        return frozenset(role["name"] for role in of_realm)

    async def _texts(self, settings: Json, see: Any) -> Mapping[str, Mapping[str, str]]:
        languages = {"en", *settings.get("supportedLocales", ())}
        return {each: await see(Part.TEXTS, f"localization/{path_part(each)}") or {} for each in languages}

    async def _flows(self, wanted: Mapping[str, Flow], see: Any) -> Mapping[str, Flow]:
        every = _by("alias", await see(Part.FLOW, "authentication/flows") or ())
        found = {}
        for alias in wanted.keys() & every.keys():
            lines = await self._api.get(f"authentication/flows/{path_part(alias)}/executions")
            configs = {
                line["id"]: (await self._api.get(f"authentication/config/{path_part(line['authenticationConfig'])}"))
                for line in lines
                if line.get("authenticationConfig")
            }
            found[alias] = Flow(alias, every[alias].get("description", ""), _steps(lines, configs, 0))
        return found

    async def _own_flows(self, see: Any) -> Mapping[str, Sequence[str]]:
        found: dict[str, Sequence[str]] = {}
        first, page = 0, None
        while page is None or len(page) == _PAGE:
            page = await see(Part.CLIENT, "clients", first=first, max=_PAGE) or ()
            for client in page:
                if kinds := sorted(
                    kind for kind, flow in client.get("authenticationFlowBindingOverrides", {}).items() if flow
                ):
                    found[client["clientId"]] = kinds
            first += _PAGE
        return found

    async def _version(self) -> str | None:
        try:
            info = await self._api.get_of_server("admin/serverinfo")
        except KeycloakError as error:
            if error.status not in (401, 403):
                raise
            return None
        version = (info.get("systemInfo") or {}).get("version")
        return version if isinstance(version, str) else None


def _by(name: str, entries: Sequence[Json]) -> Mapping[str, Json]:
    return {each[name]: each for each in entries}


def _steps(lines: Sequence[Json], configs: Mapping[str, Json], level: int) -> tuple[Step, ...]:
    """Steps of one level; Keycloak lists a flow's lines in order, each followed by those of the flow that it is."""
    starts = [at for at, line in enumerate(lines) if line["level"] == level]
    return tuple(
        _step(lines[start], configs, _steps(lines[start + 1 : end], configs, level + 1))
        for start, end in pairwise([*starts, len(lines)])
    )


def _step(line: Json, configs: Mapping[str, Json], steps: tuple[Step, ...]) -> Step:
    is_flow = bool(line.get("authenticationFlow"))
    config = configs.get(line["id"], {})
    return Step(
        line["displayName"] if is_flow else line["providerId"],
        line["requirement"],
        is_flow=is_flow,
        description=line.get("description", ""),
        config_alias=config.get("alias"),
        config=config.get("config", {}),
        steps=steps,
    )
