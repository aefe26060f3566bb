"""Find → merge → compare: what to write so that our fields are right and everybody else's stay (pure).

Owns: how a desired representation meets the one that is there. Leaves to others: which fields are ours (`desired`).
"""

from copy import deepcopy

from broker.converge.desired import FIELDS, OWNER_KEY, SETTING_UP_KEY, Whose
from broker.ports import Json

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


def merged(current: Json, desired: Json) -> Json:
    """What is there, with our fields as they should be."""
    result = deepcopy(writable(current))
    config = result.setdefault("config", {})
    for field, whose in FIELDS.items():
        if whose is not Whose.OURS:
            continue
        name = field.removeprefix("config.")
        if name == field:
            result[name] = desired[name]
        else:
            config[name] = desired["config"][name]
    return result


def merged_mapper(current: Json, desired: Json) -> Json:
    """The mapper that is there, with our fields as they should be; its id and further settings stay."""
    return deepcopy(current) | desired | {"config": current.get("config", {}) | desired["config"]}
