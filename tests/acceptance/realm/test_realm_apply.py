"""`broker realm plan|apply` in mode own, on a real Keycloak: from an empty realm to the one that an import makes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from broker.converge.realm.plan import make_plan
from broker.converge.realm.wanted import RealmNeeds
from broker.model.realm_setup import Part
from broker.outbound import http_client
from broker.realm.administration import KeycloakAdministration
from broker.realm.connection import RealmConnection
from broker.realm.resources import Resources
from tests.acceptance.keycloak_server import RunningKeycloak
from tests.acceptance.realm_commands import RealmCommands
from tests.prepared import copy_into

# Keycloak's own clients are made in another way by an import: of these only what the file says of them counts.
OWN_CLIENTS = ("account", "account-console", "admin-cli", "broker", "realm-management", "security-admin-console")
CLOSED = ("enabled", "publicClient", "standardFlowEnabled", "directAccessGrantsEnabled", "redirectUris", "webOrigins")

NAMELESS = ("id", "containerId", "internalId", "parentId", "createdTimestamp", "client.secret.creation.time")
# The file is of 26.7: into an older Keycloak it brings a scope (SAML only), and the order of required actions, which are off.
OF_OLDER = {
    "/clientScopes/AuthnContextClassRef",
    "/defaultDefaultClientScopes",
    "/requiredActions/CONFIGURE_TOTP/priority",
    "/requiredActions/UPDATE_PASSWORD/priority",
}
REVOKES = ("backchannel.logout.revoke.offline.tokens",)


def realm_as_it_is(admin_api: httpx.Client, realm: str) -> Any:
    """Everything of a realm but ids, keys and names that follow from its own."""
    parts = {"exportClients": "true", "exportGroupsAndRoles": "true"}
    exported = admin_api.post(f"{realm}/partial-export", params=parts).raise_for_status().json()
    keys = "org.keycloak.keys.KeyProvider"
    assert exported["components"].pop(keys)
    text_of = {each: admin_api.get(f"{realm}/localization/{each}").json() for each in ("en", "es", "pt")}
    profile = admin_api.get(f"{realm}/users/profile").raise_for_status().json()
    exported["components"].pop(
        "org.keycloak.userprofile.UserProfileProvider", None
    )  # the profile says it, with its defaults
    clients = {each["clientId"]: each for each in exported.pop("clients")}
    for name in OWN_CLIENTS:
        clients[name] = {field: clients[name].get(field) for field in CLOSED}
    for name in ("clientScopeMappings", "scopeMappings"):
        exported.pop(name, None)
    (account,) = admin_api.get(f"{realm}/clients", params={"clientId": "talkdesk-broker"}).json()
    user = admin_api.get(f"{realm}/clients/{account['id']}/service-account-user").raise_for_status().json()
    roles = admin_api.get(f"{realm}/users/{user['id']}/role-mappings").json()["clientMappings"]
    return normalised({**exported, "clients": clients, "text": text_of, "profile": profile, "roles": roles}, realm)


def is_said_otherwise(name: str, of: dict[str, Any]) -> bool:
    """What an import writes out and the API leaves to Keycloak's default, or the other way round."""
    if name == "userinfo.token.claim":  # without it, it is as in the ID token
        return bool(of[name] == of.get("id.token.claim"))
    return name in ("post.logout.redirect.uris", "backchannel.logout.session.required", *REVOKES)


def normalised(value: Any, realm: str) -> Any:
    """Without ids and times, and lists by the names in them, else in one order."""
    if isinstance(value, dict):
        return {
            name: normalised(each, realm)
            for name, each in value.items()
            if name not in NAMELESS and not is_said_otherwise(name, value)
        }
    if isinstance(value, list):
        for key in ("clientId", "alias", "name"):
            names = {each[key] for each in value if isinstance(each, dict) and key in each}
            if names and len(names) == len(value):
                return {each[key]: normalised(each, realm) for each in value}
        return sorted((normalised(each, realm) for each in value), key=repr)
    return value.replace(realm, "{realm}") if isinstance(value, str) else value


def unlike(path: str, one: Any, other: Any) -> Iterator[str]:
    """Where two realms differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in sorted(one.keys() | other.keys()):
            yield from unlike(f"{path}/{name}", one.get(name), other.get(name))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, pair in enumerate(zip(one, other, strict=True)):
            yield from unlike(f"{path}/{number}", *pair)
    elif one != other:
        yield f"{path}: {one} / {other}"


async def test_an_empty_realm_becomes_what_an_import_makes(
    imported: RunningKeycloak, empty: RunningKeycloak, admin_api: httpx.Client
) -> None:
    """The plan is what is then carried out, and names no secret; a second time nothing is to be done. `broker check` says the same."""
    commands = RealmCommands(empty)
    planned = commands.run("plan", exit_code=2)
    assert commands.checked()["verdict"] == "wrong"
    applied = commands.run("apply", "--yes")
    assert "not put on record" in applied, "there is no database yet"
    for secret in (empty.broker_secret, empty.launch_secret, empty.admin_password):
        assert secret not in planned + applied
    assert planned in applied
    assert commands.plan(is_empty=True) == []
    assert commands.checked()["verdict"] == ("ok" if await empty.is_of("26.7") else "warning")
    applied_realm, imported_realm = (realm_as_it_is(admin_api, each.realm) for each in (empty, imported))
    different = dict(line.split(": ", 1) for line in unlike("", applied_realm, imported_realm))
    assert set(different) == (OF_OLDER if await empty.is_of("26.4") else set()), different


def test_what_was_applied_is_on_record(empty: RunningKeycloak, tmp_path: Path) -> None:
    """Who did it, and that it is done; nothing of the administrator's account. A second time nothing is done, and nothing put down."""
    copy_into(tmp_path)
    commands = RealmCommands(empty, environment={"BROKER_DATA_DIR": str(tmp_path), "BROKER_OPERATOR": "ana@laptop"})
    changes = sum(each["what"] == "change" for each in commands.plan())
    assert commands.acts() == []
    for _ in range(2):
        assert "not put on record" not in commands.run("apply", "--yes")
    [act] = commands.acts()
    told = {name: act[name] for name in ("who", "command", "about", "outcome")}
    about = f"{changes} changes of the realm {empty.realm}"
    assert told == {"who": "ana@laptop", "command": "realm apply", "about": about, "outcome": "done"}


def test_what_keycloak_refuses_is_on_record_as_failed(
    empty: RunningKeycloak, admin_api: httpx.Client, tmp_path: Path
) -> None:
    """An account that may see all and change nothing."""
    copy_into(tmp_path)
    environment = {"BROKER_DATA_DIR": str(tmp_path), "BROKER_ADMIN_REALM": empty.realm}
    environment |= looking_account(admin_api, empty.realm)
    commands = RealmCommands(empty, environment=environment)
    assert "403" in commands.run("apply", "--yes", exit_code=1)
    assert [(act["command"], act["outcome"]) for act in commands.acts()] == [("realm apply", "failed")]


def looking_account(admin_api: httpx.Client, realm: str) -> dict[str, str]:
    """Environment with an account that has all roles to see the realm, and none to change it."""
    username, password = "looks", "only-looks"
    credentials = [{"type": "password", "value": password}]
    user = {"username": username, "enabled": True, "credentials": credentials, "email": "looks@example.com"}
    user |= {"firstName": "Looks", "lastName": "Only"}
    location = admin_api.post(f"{realm}/users", json=user).raise_for_status().headers["Location"]
    (client,) = admin_api.get(f"{realm}/clients", params={"clientId": "realm-management"}).json()
    names = ("view-realm", "view-clients", "view-users", "view-identity-providers", "query-clients", "query-users")
    roles = [admin_api.get(f"{realm}/clients/{client['id']}/roles/{name}").json() for name in names]
    admin_api.post(f"{location}/role-mappings/clients/{client['id']}", json=roles).raise_for_status()
    return {"BROKER_ADMIN_USERNAME": username, "BROKER_ADMIN_PASSWORD": password}


def test_nothing_is_to_be_done_in_a_realm_that_was_imported(imported: RunningKeycloak) -> None:
    """The file and what is wanted can't come apart."""
    assert RealmCommands(imported).plan(is_empty=True) == []


async def test_the_service_account_plans_as_far_as_it_may_see(imported: RunningKeycloak) -> None:
    """It names what it can't see, and takes nothing of it for missing; `view-realm` and `view-clients` would show it."""
    needs = RealmNeeds(
        makes_users=True,
        public_url="https://elsewhere.example",
        client_id="talkdesk-broker",
        client_secret=imported.broker_secret,
        launch_client_id="talkdesk-launch",
        launch_client_secret=imported.launch_secret,
        relay_urls={},
    )
    async with http_client() as client:
        connection = RealmConnection(imported.url, imported.realm, "talkdesk-broker", imported.broker_secret, client)
        plan = await make_plan(KeycloakAdministration(Resources(connection)), needs)
    assert {Part.SETTINGS, Part.FLOW, Part.CLIENT, Part.SCOPE, Part.REQUIRED_ACTION} <= set(plan.unseen)
    assert plan.changes == ()
