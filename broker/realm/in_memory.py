"""In-memory twins of the realm's identity providers and users: they behave as Keycloak does as far as the ports show it."""

import uuid
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field

from broker.errors import KeycloakError
from broker.model.names import ALIAS_PREFIX, Alias
from broker.model.realm_user import MatchRule, RealmUser
from broker.ports import Json


@dataclass
class InMemoryIdentityProviders:
    """A realm of identity providers; `writes` lists every call that was meant to change something."""

    writes: list[str] = field(default_factory=list)
    _providers: dict[str, Json] = field(default_factory=dict)
    _mappers: dict[str, dict[str, Json]] = field(default_factory=dict)

    async def find(self, alias: Alias) -> Json | None:
        """The representation; None if there is none."""
        return deepcopy(self._providers.get(alias))

    async def page(self, first: int, size: int) -> Sequence[Json]:
        """As the port says."""
        aliases = sorted(alias for alias in self._providers if alias.lower().startswith(ALIAS_PREFIX))
        return [deepcopy(self._providers[alias]) for alias in aliases[first : first + size]]

    async def create(self, representation: Json) -> bool:
        """False where the alias is taken."""
        alias = representation["alias"]
        self.writes.append(f"create {alias}")
        if alias in self._providers:
            return False
        self._providers[alias] = _stored(representation) | {
            "internalId": str(uuid.uuid4()),
            "types": ["USER_AUTHENTICATION"],
        }
        self._mappers[alias] = {}
        return True

    async def replace(self, representation: Json) -> None:
        """Replace all of it, as Keycloak's PUT does."""
        alias = representation["alias"]
        self.writes.append(f"replace {alias}")
        if "types" in representation or "internalId" in representation:
            raise KeycloakError(f"replace identity provider {alias}: read-only fields were sent", status=400)
        kept = {name: self._get(alias)[name] for name in ("internalId", "types")}
        self._providers[alias] = _stored(representation) | kept

    async def delete(self, alias: Alias) -> None:
        """Gone afterwards, also if it was gone before."""
        self.writes.append(f"delete {alias}")
        self._providers.pop(alias, None)
        self._mappers.pop(alias, None)

    async def mappers(self, alias: Alias) -> Sequence[Json]:
        """Its mappers."""
        self._get(alias)
        return deepcopy(list(self._mappers[alias].values()))

    async def create_mapper(self, alias: Alias, mapper: Json) -> None:
        """Add one."""
        self.writes.append(f"create mapper of {alias}")
        self._get(alias)
        if any(other["name"] == mapper["name"] for other in self._mappers[alias].values()):
            raise KeycloakError(f"create mapper of {alias}: its name is taken", status=400)
        number = str(uuid.uuid4())
        self._mappers[alias][number] = deepcopy(mapper) | {"id": number}

    async def replace_mapper(self, alias: Alias, mapper: Json) -> None:
        """Replace one; `mapper` holds its `id`."""
        self.writes.append(f"replace mapper of {alias}")
        self._get(alias)
        if mapper["id"] not in self._mappers[alias]:
            raise KeycloakError(f"replace mapper of {alias}: there is none of this id", status=404)
        self._mappers[alias][mapper["id"]] = deepcopy(mapper)

    def _get(self, alias: str) -> Json:
        if alias not in self._providers:
            raise KeycloakError(f"identity provider {alias}: there is none", status=404)
        return self._providers[alias]


def _stored(representation: Json) -> Json:
    stored = deepcopy(representation)
    stored["config"] = {name: value for name, value in stored.get("config", {}).items() if value not in ("", None)}
    return stored


@dataclass
class InMemoryRealmUsers:
    """Twin of the realm's users: they are found as exactly as the port says."""

    users: list[RealmUser] = field(default_factory=list)
    attributes: dict[str, dict[str, str]] = field(default_factory=dict)
    """By id of the user."""
    linked_to: dict[tuple[str, Alias], str] = field(default_factory=dict)
    """Id of the user and alias to the `sub` there."""

    async def linked(self, alias: Alias, sub: str) -> Sequence[RealmUser]:
        """As the port says."""
        return [user for user in self.users if self.linked_to.get((user.id, alias)) == sub]

    async def matching(self, rule: MatchRule, value: str) -> Sequence[RealmUser]:
        """As the port says."""
        match rule.by:
            case "email":
                return [user for user in self.users if user.email and user.email.lower() == value.lower()]
            case "username":
                return [user for user in self.users if user.username == value.lower()]
        return [user for user in self.users if self.attributes.get(user.id, {}).get(rule.by) == value]

    async def links(self, user_id: str) -> Mapping[Alias, str]:
        """As the port says."""
        return {alias: sub for (user, alias), sub in self.linked_to.items() if user == user_id}
