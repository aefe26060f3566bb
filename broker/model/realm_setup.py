"""The broker's realm at Keycloak: what is wanted of it, what is there, and the difference, in the shape of the realm file.

Owns: the words for that. Leaves to others: what is wanted (`converge/realm`), and Keycloak's wire (`realm/administration`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Json = dict[str, Any]


class Part(StrEnum):
    """Parts of a realm, in the order in which changes are made: later ones name earlier ones."""

    SCOPE = "client scope"
    DEFAULT_SCOPES = "default client scopes"
    ROLE = "role"
    FLOW = "authentication flow"
    SETTINGS = "realm settings"
    PROFILE = "user profile"
    REQUIRED_ACTION = "required action"
    TEXTS = "texts"
    CLIENT = "client"
    ACCOUNT_ROLES = "roles of the service account"


@dataclass(frozen=True)
class Step:
    """One step of an authentication flow, or a flow within it."""

    name: str
    """Keycloak's id of the authenticator, or the alias of the flow."""
    requirement: str
    is_flow: bool = False
    description: str = ""
    config_alias: str | None = None
    config: Mapping[str, str] = field(default_factory=dict)
    steps: tuple["Step", ...] = ()

    def is_same(self, other: "Step") -> bool:
        """Whether it is this step, however it is set."""
        return (self.name, self.is_flow) == (other.name, other.is_flow)

    def find_in(self, steps: Sequence["Step"]) -> "Step | None":
        """This step among those that are there."""
        return next((each for each in steps if self.is_same(each)), None)

    def is_met_by(self, found: "Step") -> bool:
        """Whether the one that is there counts as much as it should, or as its administrator may decide."""
        return (
            found.requirement in _SWITCHABLE
            if self.requirement == "DISABLED"
            else found.requirement == self.requirement
        )

    def config_unlike(self, found: "Step") -> Mapping[str, str]:
        """What of the configuration is not as it should be; what people read is the administrator's, once it is there."""
        return {
            name: value
            for name, value in self.config.items()
            if found.config.get(name) != value and (name not in _WORDS or name not in found.config)
        }


_SWITCHABLE = ("DISABLED", "CONDITIONAL", "REQUIRED")
"""A step that comes switched off is the administrator's to switch on."""
_WORDS = ("denyErrorMessage",)


@dataclass(frozen=True)
class Flow:
    """An authentication flow of the realm."""

    alias: str
    description: str
    steps: tuple[Step, ...]
    is_exact: bool = False
    """Wanted without any other step: mode own, where one more could be a way in."""


@dataclass(frozen=True)
class RealmSetup:
    """Parts of a realm: those that are wanted, or of those what is there."""

    settings: Json = field(default_factory=dict)
    scopes: Mapping[str, Json] = field(default_factory=dict)
    """By name."""
    default_scopes: frozenset[str] = frozenset()
    roles: Mapping[str, Json] = field(default_factory=dict)
    flows: Mapping[str, Flow] = field(default_factory=dict)
    """By alias."""
    profile: Json | None = None
    required_actions: Mapping[str, Json] = field(default_factory=dict)
    """By alias."""
    texts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """By language; wanted under "" for every language of the realm."""
    clients: Mapping[str, Json] = field(default_factory=dict, repr=False)
    """By client id; secrets are in it."""
    account_client: str = ""
    """Client id of the service account."""
    account_roles: frozenset[str] = frozenset()
    """Roles of the client `realm-management` that the service account has."""


@dataclass(frozen=True)
class FoundRealm:
    """What is there, as far as this account may see it."""

    setup: RealmSetup
    unseen: frozenset[Part] = frozenset()
    version: str | None = None
    """Keycloak's; None where this account may not know it."""
    own_flows: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Clients that don't follow the realm's flows, with the kinds of flow (mode own only)."""


@dataclass(frozen=True)
class Difference:
    """One field that is not as it is wanted; secrets are words here."""

    field: str
    found: Any
    wanted: Any


@dataclass(frozen=True)
class Change:
    """One thing to make or to change."""

    part: Part
    name: str
    is_new: bool
    differences: tuple[Difference, ...]
    content: Any = field(repr=False)
    """What is wanted of it, in the shape of `RealmSetup`; secrets may be in it."""


@dataclass(frozen=True)
class Caution:
    """Something that only the realm's administrator can decide."""

    code: str
    """Stable, for programs."""
    sentence: str


@dataclass(frozen=True)
class Plan:
    """What `apply` would do, and what to know."""

    changes: tuple[Change, ...]
    warnings: tuple[Caution, ...]
    unseen: tuple[Part, ...]
    """Parts that this account may not see: nothing is said of them."""
    version: str | None
