"""What only the realm's administrator can decide, and should know: what makes sign-on ask a question, or unsafe (pure).

Owns: the conditions and the sentences. Leaves to others: what `apply` mends by itself (`compare`); in mode own its dangers are named here
too, since they are there until then.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from broker.converge.realm.compare_flows import extra_steps
from broker.converge.realm.wanted import SCOPE, RealmNeeds
from broker.model.realm_setup import Caution, FoundRealm, Json, Part, RealmSetup
from broker.model.realm_user import BY_EMAIL, BY_USERNAME

NEWEST_TRIED = (26, 7, 3)
_OLDEST_TRIED = (26, 4, 7)
_BROKEN = {
    (26, 6, 0): "any error of an identity provider goes round for ever (Keycloak issue 47955)",
    (26, 7, 1): "its admin API and sign-ons are many times slower (Keycloak issue 52042)",
    (26, 7, 2): "its admin API and sign-ons are many times slower (Keycloak issue 52042)",
}
_HARMLESS_ROLES = re.compile(r"(view|query)-.+")


def cautions(wanted: RealmSetup, found: FoundRealm, needs: RealmNeeds) -> tuple[Caution, ...]:
    """All that is to be said."""
    of_mode = _of_own(found) if needs.makes_users else _of_existing(found, needs.match_rules)
    return tuple(
        Caution(code, sentence)
        for each in (of_version(found.version), of_mode, _of_both(wanted, found), _of_relays(found, needs.relay_urls))
        for code, sentence in each
    )


_Said = Iterator[tuple[str, str]]


def of_version(version: str | None) -> _Said:
    """Code and sentence about Keycloak's version, where there is anything to say."""
    number = tuple(map(int, found.groups())) if (found := re.match(r"(\d+)\.(\d+)\.(\d+)", version or "")) else None
    if number is None:
        return
    if number in _BROKEN:
        yield "keycloak_broken", f"Keycloak {version} must not be used: {_BROKEN[number]}."
    elif number < _OLDEST_TRIED:
        yield "keycloak_untried", f"Keycloak {version} is older than any that the broker was tried with (26.4.7)."
    elif number < NEWEST_TRIED:
        yield "keycloak_old", f"Keycloak {version}: 26.7.3 or newer is better, see docs/realm.md for what differs."


def _of_own(found: FoundRealm) -> _Said:
    settings = found.setup.settings if Part.SETTINGS not in found.unseen else {}
    for name, danger in (
        ("registrationAllowed", "people can register without Talkdesk"),
        ("resetPasswordAllowed", "people can give themselves a password by e-mail, which outlives Talkdesk"),
        ("loginWithEmailAllowed", "an e-mail address finds a user, and a customer's administrator chooses those"),
        ("verifyEmail", "people are asked to prove an address"),
        ("editUsernameAllowed", "people can change the name by which they are known again"),
    ):
        if settings.get(name):
            yield "own_setting", f"{name} is on: {danger}."
    if settings.get("duplicateEmailsAllowed") is False:
        yield (
            "own_setting",
            "duplicateEmailsAllowed is off: an equal e-mail address takes an account over.",
        )
    for name, way in (
        ("browserFlow", "a password form may be shown"),
        ("directGrantFlow", "passwords are taken by the token endpoint"),
        ("resetCredentialsFlow", "a reset of credentials may be offered"),
    ):
        if settings and not str(settings.get(name, "")).startswith("talkdesk "):
            yield "own_flow", f"{name} is {settings.get(name)!r}: {way}."
    if on := [alias for alias, action in found.setup.required_actions.items() if action.get("enabled")]:
        yield (
            "own_required_actions",
            f"Required actions are on, which can ask people, or give them credentials: {', '.join(on)}.",
        )
    for client, kinds in found.own_flows.items():
        yield "own_client_flow", f"The client {client} has flows of its own ({', '.join(kinds)}): another way in."
    yield from _of_profile_in_own(found.setup.profile)


def _of_profile_in_own(profile: Json | None) -> _Said:
    if required := [each["name"] for each in (profile or {}).get("attributes", ()) if "required" in each]:
        yield (
            "own_profile",
            f"The user profile requires what Talkdesk may not know, and asks for it: {', '.join(required)}.",
        )


def _of_existing(found: FoundRealm, match_rules: frozenset[str]) -> _Said:
    settings, profile = found.setup.settings, found.setup.profile
    if Part.SETTINGS not in found.unseen:
        yield from _of_addresses(settings, profile, match_rules)
    for rule in sorted(match_rules - {BY_EMAIL, BY_USERNAME}):
        if profile is not None:
            yield from _of_attribute(rule, profile)
    yield from _of_questions(found.setup.required_actions, profile)


def _of_addresses(settings: Json, profile: Json | None, match_rules: frozenset[str]) -> _Said:
    is_verified = bool(settings.get("verifyEmail"))
    if settings.get("registrationAllowed") and not is_verified and match_rules & {BY_EMAIL, BY_USERNAME}:
        yield (
            "registration",
            "People can register with an address that nobody verifies, and receive the sign-on of a colleague.",
        )
    email = _attribute("email", profile)
    can_edit = email is not None and "user" in email.get("permissions", {}).get("edit", ())
    if BY_EMAIL in match_rules and can_edit and not is_verified:
        yield (
            "email_editable",
            "People can change their own e-mail address without proving it (user profile, verifyEmail): who takes a colleague's that is free "
            "receives his sign-on.",
        )
    if BY_USERNAME in match_rules and settings.get("editUsernameAllowed"):
        yield "username_editable", "People can change their own username: who takes a colleague's receives his sign-on."
    if BY_EMAIL in match_rules and settings.get("duplicateEmailsAllowed"):
        yield "email_not_unique", "Two users may have one e-mail address: both of them get an error page."


def _of_attribute(name: str, profile: Json) -> _Said:
    attribute = _attribute(name, profile)
    if attribute is None:
        yield (
            "attribute_undeclared",
            f"The attribute {name} is not in the user profile: declare it, for administrators only.",
        )
    elif "user" in attribute.get("permissions", {}).get("edit", ()):
        yield "attribute_editable", f"People can edit their own {name}: who writes a colleague's receives his sign-on."


def _of_questions(actions: Mapping[str, Json], profile: Json | None) -> _Said:
    for alias, action in actions.items():
        if action.get("enabled") and action.get("defaultAction"):
            yield (
                "default_action",
                f"The required action {alias} is a default: every new user is asked, between Talkdesk and the app.",
            )
    required = [
        each["name"]
        for each in (profile or {}).get("attributes", ())
        if "user" in each.get("required", {}).get("roles", ())
    ]
    if required and actions.get("VERIFY_PROFILE", {}).get("enabled"):
        names = ", ".join(required)
        yield (
            "profile_incomplete",
            f"Users without {names} are asked for it between Talkdesk and the app (VERIFY_PROFILE).",
        )


def _of_both(wanted: RealmSetup, found: FoundRealm) -> _Said:
    for alias, flow in wanted.flows.items():
        there = found.setup.flows.get(alias)
        for step in extra_steps(flow.steps, there.steps) if there else ():
            yield (
                "step_added",
                f"The flow {alias!r} has a step that is not the broker's: {step.name} ({step.requirement}).",
            )
    for role in sorted(found.setup.account_roles - wanted.account_roles):
        if not _HARMLESS_ROLES.fullmatch(role):
            yield (
                "account_role",
                f"The service account has the role {role}, which it does not need: whoever steals its secret has it too.",
            )


def _of_relays(found: FoundRealm, relay_urls: Mapping[str, str]) -> _Said:
    if Part.CLIENT in found.unseen:
        return
    for client_id in relay_urls:
        client: dict[str, Any] | None = found.setup.clients.get(client_id)
        if client is None:
            yield "relay_client_missing", f"There is no client {client_id}, which a relay of the configuration names."
            continue
        if SCOPE not in client.get("defaultClientScopes", (SCOPE,)):
            yield (
                "app_without_scope",
                f"The client {client_id} has not the default scope {SCOPE}: its app does not learn who came from Talkdesk.",
            )
        if client.get("frontchannelLogout"):
            yield (
                "relay_frontchannel",
                f"The client {client_id} has front-channel logout on: Keycloak tells its app of no sign-out (501).",
            )


def _attribute(name: str, profile: Json | None) -> Json | None:
    return next((each for each in (profile or {}).get("attributes", ()) if each["name"] == name), None)
