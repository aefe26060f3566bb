"""Find → merge → compare: what to write so that our fields are right and everybody else's stay (pure).

Owns: how a desired representation meets the one that is there. Leaves to others: which fields are ours (`desired`).
"""

from collections.abc import Collection, Sequence
from copy import deepcopy

from broker.converge.desired import FIELDS, OWNER_KEY, SETTING_UP_KEY, Whose
from broker.ports import Json

IN_CONFIG = "config."
"""In front of a field's name: it is in `config`."""

_OURS_OF_ALL = [field for field, whose in FIELDS.items() if whose is Whose.OURS]
_OURS = tuple(field for field in _OURS_OF_ALL if not field.startswith(IN_CONFIG))
_OURS_IN_CONFIG = tuple(field.removeprefix(IN_CONFIG) for field in _OURS_OF_ALL if field.startswith(IN_CONFIG))

# Keycloak adds these to what it answers; 26.4 refuses a PUT that holds `types`.
_READ_ONLY = ("internalId", "types")


def is_ours(current: Json, instance: str) -> bool:
    """Whether this broker made it; an alias alone proves nothing."""
    return bool(current.get("config", {}).get(OWNER_KEY) == instance)


def setting_up(desired: Json) -> Json:
    """As it is created: disabled, and marked as not complete yet."""
    return desired | {"enabled": False, "config": desired["config"] | {SETTING_UP_KEY: "true"}}


def completed(representation: Json) -> Json:
    """Enabled if it was still being set up; else as it is, since "disabled" is then the administrator's."""
    config = dict(representation["config"])
    if config.pop(SETTING_UP_KEY, None) is None:
        return representation
    return representation | {"enabled": True, "config": config}


def writable(current: Json) -> Json:
    """What may be sent back of what Keycloak answered."""
    return {name: value for name, value in current.items() if name not in _READ_ONLY}


def merged(current: Json, desired: Json, but_not: Collection[str] = ()) -> Json:
    """What is there, with our fields as they should be; those in `but_not` stay as they are."""
    result = deepcopy(writable(current))
    config = result.setdefault("config", {})
    for field in drift(current, desired).difference(but_not):
        name = field.removeprefix(IN_CONFIG)
        if name == field:
            result[name] = desired[name]
        else:
            config[name] = desired["config"][name]
    return result


def drift(current: Json, desired: Json) -> frozenset[str]:
    """Names of our fields that are not as they should be."""
    config: Json = current.get("config", {})
    fields = {name for name in _OURS if current.get(name) != desired[name]}
    return frozenset(
        fields | {IN_CONFIG + name for name in _OURS_IN_CONFIG if config.get(name) != desired["config"][name]}
    )


def is_set_up(current: Json) -> bool:
    """Whether it came to be complete."""
    return SETTING_UP_KEY not in current.get("config", {})


def mapper_to_write(mappers: Sequence[Json], desired: Json) -> Json | None:
    """Our mapper as it has to be created (without an id) or replaced; None where it is there as it should be."""
    current = next((found for found in mappers if found["name"] == desired["name"]), None)
    if current is None:
        return desired
    wanted = merged_mapper(current, desired)
    return wanted if wanted != current else None


def merged_mapper(current: Json, desired: Json) -> Json:
    """The mapper that is there, with our fields as they should be; its id and further settings stay."""
    return deepcopy(current) | desired | {"config": current.get("config", {}) | desired["config"]}
