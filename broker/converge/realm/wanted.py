"""What the broker wants of its realm, read from the files of `realm-config/` so that an import and `realm apply` can't come apart (pure).

Owns: which parts of those files are the broker's business in which mode. In mode existing that is what has our name; in mode own also
everything that closes other ways in. Settings of taste (languages, theme, events) are wanted only until our clients are there: after that
they are the administrator's.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path

from broker.model.realm_setup import Flow, Json, RealmSetup, Step

SCOPE = "talkdesk"

LAUNCH_CLIENT, ACCOUNT_CLIENT = "talkdesk-launch", "talkdesk-broker"
"""As the files name them."""

GUARDING_SETTINGS = (
    *("registrationAllowed", "resetPasswordAllowed", "rememberMe", "verifyEmail", "editUsernameAllowed"),
    *("loginWithEmailAllowed", "duplicateEmailsAllowed"),
    *("browserFlow", "directGrantFlow", "resetCredentialsFlow", "firstBrokerLoginFlow"),
)
"""Mode own: what keeps other ways in closed."""

SETTINGS_OF_TASTE = (
    *("displayName", "sslRequired", "loginTheme", "internationalizationEnabled", "supportedLocales", "defaultLocale"),
    *("offlineSessionMaxLifespanEnabled", "offlineSessionMaxLifespan"),
    *("eventsEnabled", "eventsExpiration", "enabledEventTypes", "adminEventsEnabled", "attributes"),
)

_SCOPES_OF_OWN = (SCOPE, "email")
"""All others are Keycloak's own, and in the file only because an import needs them."""


@dataclass(frozen=True)
class RealmNeeds:
    """What the wanted realm depends on."""

    makes_users: bool
    """Mode own."""
    public_url: str
    client_id: str
    client_secret: str = field(repr=False)
    launch_client_id: str
    launch_client_secret: str = field(repr=False)
    relay_urls: Mapping[str, str]
    """Client id of an app whose logouts we deliver, to what Keycloak has to call."""
    match_rules: frozenset[str] = frozenset()
    """Mode existing: by what the accounts' people are found."""
    ends_foreign_sessions: bool = False
    """Mode existing: `END_FOREIGN_SESSIONS`, which takes a role that can do far more."""


def wanted_realm(needs: RealmNeeds) -> RealmSetup:
    """Everything, settings of taste included (`without_taste` leaves those out)."""
    file = _filled_in(_read("talkdesk-realm.json" if needs.makes_users else "existing-realm.json"), needs)
    names = {ACCOUNT_CLIENT: needs.client_id, LAUNCH_CLIENT: needs.launch_client_id}
    clients = {names.get(each["clientId"], each["clientId"]): each for each in file["clients"]}
    common = RealmSetup(
        scopes={each["name"]: each for each in file["clientScopes"] if each["name"] == SCOPE},
        roles={each["name"]: each for each in file.get("roles", {}).get("realm", ())},
        flows=_flows(file, is_exact=needs.makes_users),
        clients={
            **{client_id: each | {"clientId": client_id} for client_id, each in clients.items()},
            **{client_id: _told_at(url) for client_id, url in needs.relay_urls.items()},
        },
        account_client=needs.client_id,
        account_roles=frozenset(file["users"][0]["clientRoles"]["realm-management"]) | _roles_for(needs),
    )
    return _with_guards(common, file) if needs.makes_users else common


def without_taste(wanted: RealmSetup) -> RealmSetup:
    """Without what the administrator may have changed on purpose."""
    return replace(wanted, settings={name: wanted.settings[name] for name in GUARDING_SETTINGS if wanted.settings})


def _with_guards(common: RealmSetup, file: Json) -> RealmSetup:
    (profile,) = file["components"]["org.keycloak.userprofile.UserProfileProvider"]
    (texts,) = {json.dumps(texts): texts for texts in file["localizationTexts"].values()}.values()
    return replace(
        common,
        settings={name: file[name] for name in (*GUARDING_SETTINGS, *SETTINGS_OF_TASTE)},
        scopes={each["name"]: each for each in file["clientScopes"] if each["name"] in _SCOPES_OF_OWN},
        default_scopes=frozenset({SCOPE}),
        profile=json.loads(profile["config"]["kc.user.profile.config"][0]),
        required_actions={each["alias"]: each for each in file["requiredActions"]},
        texts={"": texts},
    )


def _roles_for(needs: RealmNeeds) -> frozenset[str]:
    return frozenset({"manage-users"}) if needs.ends_foreign_sessions else frozenset()


def _told_at(url: str) -> Json:
    """An app's client, of which one setting is ours; it is never made."""
    return {"attributes": {"backchannel.logout.url": url}}


def _read(name: str) -> str:
    """A file of `realm-config/`: inside the installed package, or beside it where the broker runs from its repository."""
    packaged = resources.files("broker") / "realm-config" / name
    if packaged.is_file():
        return packaged.read_text("utf-8")
    return (Path(__file__).parents[3] / "realm-config" / name).read_text("utf-8")


def _filled_in(text: str, needs: RealmNeeds) -> Json:
    """As Keycloak's import does it, but whatever is in a value."""
    for name, value in {
        "BROKER_PUBLIC_URL": needs.public_url,
        "BROKER_KEYCLOAK_CLIENT_SECRET": needs.client_secret,
        "BROKER_KEYCLOAK_LAUNCH_CLIENT_SECRET": needs.launch_client_secret,
    }.items():
        text = text.replace(f"${{{name}}}", json.dumps(value)[1:-1])
    content: Json = json.loads(text)
    return content


def _flows(file: Json, *, is_exact: bool) -> Mapping[str, Flow]:
    by_alias = {each["alias"]: each for each in file["authenticationFlows"]}
    configs = {each["alias"]: each["config"] for each in file["authenticatorConfig"]}

    def steps(executions: Sequence[Json]) -> tuple[Step, ...]:
        return tuple(map(step, sorted(executions, key=lambda each: int(each["priority"]))))

    def step(execution: Json) -> Step:
        if execution.get("authenticatorFlow"):
            inner = by_alias[execution["flowAlias"]]
            return Step(
                inner["alias"],
                execution["requirement"],
                is_flow=True,
                description=inner["description"],
                steps=steps(inner["authenticationExecutions"]),
            )
        alias = execution.get("authenticatorConfig")
        config = configs[alias] if alias else {}
        return Step(execution["authenticator"], execution["requirement"], config_alias=alias, config=config)

    return {
        alias: Flow(alias, each["description"], steps(each["authenticationExecutions"]), is_exact)
        for alias, each in by_alias.items()
        if each["topLevel"]
    }
