"""Wanted realm against the one that is there: what to make or to change, and nothing more (pure).

Owns: whose each field is. Ours is what the realm file says of a thing; whatever else is there stays as the administrator set it.
Leaves to others: reading and writing (`realm/administration`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from broker.converge.realm.compare_flows import flow_changes
from broker.model.realm_setup import Change, Difference, FoundRealm, Json, Part, RealmSetup

_ONLY_MORE = ("defaultClientScopes",)
"""Lists to which the administrator may add."""
_OF_CREATION = ("description", "name", "optionalClientScopes", "priority")
"""Set when something is made, the administrator's afterwards: words, and what does no harm."""


def changes(wanted: RealmSetup, found: FoundRealm) -> tuple[Change, ...]:
    """In the order in which they are to be made."""
    there = found.setup
    every: Sequence[tuple[Part, Callable[[], Iterator[Change]]]] = (
        (Part.SCOPE, lambda: _entries(Part.SCOPE, wanted.scopes, there.scopes)),
        (Part.DEFAULT_SCOPES, lambda: _missing(Part.DEFAULT_SCOPES, "", wanted.default_scopes, there.default_scopes)),
        (Part.ROLE, lambda: _entries(Part.ROLE, wanted.roles, there.roles)),
        (Part.FLOW, lambda: flow_changes(wanted.flows, there.flows)),
        (Part.SETTINGS, lambda: _one(Part.SETTINGS, "", wanted.settings, there.settings)),
        (Part.PROFILE, lambda: _profile(wanted.profile, there.profile)),
        (Part.REQUIRED_ACTION, lambda: _actions(wanted.required_actions, there.required_actions)),
        (Part.TEXTS, lambda: _texts(wanted, there)),
        (Part.CLIENT, lambda: _entries(Part.CLIENT, wanted.clients, there.clients)),
        (
            Part.ACCOUNT_ROLES,
            lambda: _missing(Part.ACCOUNT_ROLES, wanted.account_client, wanted.account_roles, there.account_roles),
        ),
    )
    return tuple(change for part, of_part in every if part not in found.unseen for change in of_part())


def _entries(part: Part, wanted: Mapping[str, Json], found: Mapping[str, Json]) -> Iterator[Change]:
    for name, entry in wanted.items():
        if name in found:
            yield from _one(part, name, entry, found[name])
        elif part is not Part.CLIENT or "clientId" in entry:  # an app's client is its administrator's to make
            yield Change(part, name, True, (), entry)


def _one(part: Part, name: str, wanted: Json, found: Json) -> Iterator[Change]:
    if unlike := tuple(_differences(wanted, found)):
        yield Change(part, name, False, unlike, wanted)


def _missing(part: Part, name: str, wanted: frozenset[str], found: frozenset[str]) -> Iterator[Change]:
    if missing := sorted(wanted - found):
        yield Change(part, name, False, tuple(Difference(each, False, True) for each in missing), missing)


def _actions(wanted: Mapping[str, Json], found: Mapping[str, Json]) -> Iterator[Change]:
    """Those that this Keycloak has: an older one lacks some."""
    for alias, action in wanted.items():
        if alias in found:
            yield from _one(Part.REQUIRED_ACTION, alias, action, found[alias])


def _profile(wanted: Json | None, found: Json | None) -> Iterator[Change]:
    """Our attributes exactly; further ones are the administrator's."""
    if wanted is None:
        return
    there = {each["name"]: each for each in (found or {}).get("attributes", ())}
    unlike = tuple(
        Difference(each["name"], _shown(there.get(each["name"])), _shown(each))
        for each in wanted["attributes"]
        if there.get(each["name"]) != each
    )
    if unlike:
        yield Change(Part.PROFILE, "", False, unlike, wanted["attributes"])


def _shown(attribute: Json | None) -> Json | None:
    """What matters of an attribute of the profile."""
    if attribute is None:
        return None
    return {"required": attribute.get("required", False), "edit": attribute.get("permissions", {}).get("edit", [])}


def _texts(wanted: RealmSetup, found: RealmSetup) -> Iterator[Change]:
    """In every language that the realm is going to have."""
    if "" not in wanted.texts:
        return
    settings = found.settings | wanted.settings
    languages = [*settings.get("supportedLocales", ())] if settings.get("internationalizationEnabled") else []
    for language in languages or ["en"]:
        yield from _one(Part.TEXTS, language, dict(wanted.texts[""]), dict(found.texts.get(language, {})))


def _differences(wanted: Json, found: Json, within: str = "") -> Iterator[Difference]:
    for name, value in wanted.items():
        if name not in _OF_CREATION:
            yield from _difference(f"{within}{name}", name, value, found.get(name))


def _difference(path: str, name: str, wanted: Any, found: Any) -> Iterator[Difference]:
    if name == "protocolMappers":
        there = {each["name"]: each for each in found or ()}
        for mapper in wanted:
            yield from _difference(f"{path}.{mapper['name']}", mapper["name"], mapper, there.get(mapper["name"]))
    elif isinstance(wanted, dict) and isinstance(found, dict):
        yield from _differences(wanted, found, f"{path}.")
    elif not _is_same(name, wanted, found):
        is_secret = name == "secret"
        yield Difference(path, "another one" if is_secret else found, "the broker's" if is_secret else wanted)


def _is_same(name: str, wanted: Any, found: Any) -> bool:
    if isinstance(wanted, list):
        there = set(found or ())
        return set(wanted) <= there if name in _ONLY_MORE else set(wanted) == there
    # Keycloak leaves out what is empty, or off; a mapper's "false" is another thing than nothing.
    return bool(wanted == found or (found is None and wanted in (False, "", None)))
