"""The realm file by facts: Keycloak imports a misspelt name without a word, so names are held against what 26.7.3 knows."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from broker.converge.desired import FIRST_LOGIN_FLOW, NOTES

REPOSITORY = Path(__file__).parent.parent.parent
TEXT = (REPOSITORY / "realm-config" / "talkdesk-realm.json").read_text()
README = (REPOSITORY / "realm-config" / "README.md").read_text()
REALM: dict[str, Any] = json.loads(TEXT)

PLACEHOLDERS = {"BROKER_PUBLIC_URL", "BROKER_KEYCLOAK_CLIENT_SECRET", "BROKER_KEYCLOAK_LAUNCH_CLIENT_SECRET"}

# From `GET /admin/serverinfo` of 26.7.3: all that need no person to type something in.
AUTHENTICATORS_WITHOUT_FORM = {
    "auth-cookie",
    "identity-provider-redirector",
    "deny-access-authenticator",
    "idp-create-user-if-unique",
    "idp-auto-link",
    "conditional-user-attribute",
}
REQUIRED_ACTIONS = {
    *("CONFIGURE_RECOVERY_AUTHN_CODES", "CONFIGURE_TOTP", "TERMS_AND_CONDITIONS", "UPDATE_EMAIL", "UPDATE_PASSWORD"),
    *("UPDATE_PROFILE", "VERIFY_EMAIL", "VERIFY_PROFILE", "delete_account", "delete_credential", "idp_link"),
    *("update_user_locale", "webauthn-register", "webauthn-register-passwordless"),
}

FLOWS = {flow["alias"]: flow for flow in REALM["authenticationFlows"]}
EXECUTIONS = [execution for flow in FLOWS.values() for execution in flow["authenticationExecutions"]]
SCOPES = {scope["name"]: scope for scope in REALM["clientScopes"]}
CLIENTS = {client["clientId"]: client for client in REALM["clients"]}


def claims_of(mappers: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    """Claim → the note that it comes from, and its JSON type."""
    return {
        mapper["config"]["claim.name"]: (mapper["config"]["user.session.note"], mapper["config"]["jsonType.label"])
        for mapper in mappers
        if mapper["protocolMapper"] == "oidc-usersessionmodel-note-mapper"
    }


def test_authenticators_exist_and_have_no_form() -> None:
    """Every step is one that Keycloak has, and none asks for anything."""
    used = {execution["authenticator"] for execution in EXECUTIONS if "authenticator" in execution}
    assert used <= AUTHENTICATORS_WITHOUT_FORM


def test_flows_hold_together() -> None:
    """Subflows and configurations that are named are there, and the other way round."""
    subflows = [execution["flowAlias"] for execution in EXECUTIONS if execution.get("authenticatorFlow")]
    assert sorted(subflows) == sorted(alias for alias, flow in FLOWS.items() if not flow["topLevel"])
    configurations = [each["authenticatorConfig"] for each in EXECUTIONS if "authenticatorConfig" in each]
    assert sorted(configurations) == sorted(each["alias"] for each in REALM["authenticatorConfig"])
    for kind in ("browserFlow", "directGrantFlow", "resetCredentialsFlow", "firstBrokerLoginFlow"):
        assert FLOWS[REALM[kind]]["topLevel"]
    assert REALM["firstBrokerLoginFlow"] == FIRST_LOGIN_FLOW


def test_steps_have_an_order() -> None:
    """Without a priority of its own, the order of a step is luck."""
    for flow in FLOWS.values():
        priorities = [execution["priority"] for execution in flow["authenticationExecutions"]]
        assert priorities == sorted(set(priorities))


def test_all_required_actions_are_off() -> None:
    """All that 26.7.3 knows are listed, and none is on."""
    assert {action["alias"] for action in REALM["requiredActions"]} == REQUIRED_ACTIONS
    assert not any(action["enabled"] or action["defaultAction"] for action in REALM["requiredActions"])


def test_placeholders_are_the_documented_ones() -> None:
    """No other variable, and no default that would be a known secret."""
    of_keycloak = re.compile(
        r"client_[a-z-]+|role_[a-z-]+|username|email|firstName|lastName|\w+ScopeConsentText|client_id"
    )
    found = {name for name in re.findall(r"\$\{([^}]*)\}", TEXT) if not of_keycloak.fullmatch(name)}
    assert found == PLACEHOLDERS
    for name in PLACEHOLDERS:
        assert f"`{name}`" in README


def test_secrets_are_placeholders() -> None:
    """No secret is in the file."""
    secrets = [client["secret"] for client in REALM["clients"] if "secret" in client]
    assert secrets
    assert all(re.fullmatch(r"\$\{BROKER_\w+_SECRET\}", secret) for secret in secrets)


def test_claims_come_from_notes_that_the_broker_sends() -> None:
    """A note that nobody sends would be a claim that is never there."""
    of_apps = claims_of(SCOPES["talkdesk"]["protocolMappers"])
    assert of_apps == {
        "talkdesk_account_id": ("talkdesk_account_id", "String"),
        "talkdesk_account_name": ("talkdesk_account_name", "String"),
        "talkdesk_user_id": ("talkdesk_user_id", "String"),
        "talkdesk_installation_id": ("talkdesk_installation_id", "String"),
        "talkdesk_apps": ("talkdesk_apps", "JSON"),
        "talkdesk_email": ("talkdesk_email", "String"),
    }
    of_email = claims_of(SCOPES["email"]["protocolMappers"])
    assert of_email == {
        "email": ("talkdesk_email", "String"),
        "email_verified": ("talkdesk_email_verified", "boolean"),
    }
    of_launch = claims_of(CLIENTS["talkdesk-launch"]["protocolMappers"])
    assert set(of_launch) == {"talkdesk_sign_on", "identity_provider"}
    notes = {note for note, _ in [*of_apps.values(), *of_email.values(), *of_launch.values()]}
    assert notes == {*NOTES, "identity_provider"}


def test_scopes_of_a_client_and_of_the_realm_exist() -> None:
    """A scope that is misspelt is left out without a word."""
    of_realm = [*REALM["defaultDefaultClientScopes"], *REALM["defaultOptionalClientScopes"]]
    of_clients = [scope for client in REALM["clients"] for scope in client.get("defaultClientScopes", [])]
    assert set(of_realm + of_clients) <= set(SCOPES)
    assert "talkdesk" in REALM["defaultDefaultClientScopes"]


def test_the_service_account_has_one_role() -> None:
    """More would be worth stealing."""
    (user,) = REALM["users"]
    assert user["clientRoles"] == {"realm-management": ["manage-identity-providers"]}
    assert "realmRoles" not in user
    assert (user["username"], user["enabled"]) == ("service-account-talkdesk-broker", True)


def test_our_clients_allow_nothing_that_they_do_not_need() -> None:
    """One way in each."""
    kinds = ("standardFlowEnabled", "implicitFlowEnabled", "directAccessGrantsEnabled", "serviceAccountsEnabled")
    enabled = {name: [kind for kind in kinds if CLIENTS[name][kind]] for name in ("talkdesk-launch", "talkdesk-broker")}
    assert enabled == {"talkdesk-launch": ["standardFlowEnabled"], "talkdesk-broker": ["serviceAccountsEnabled"]}
    assert CLIENTS["talkdesk-launch"]["redirectUris"] == ["${BROKER_PUBLIC_URL}/launch/return"]
    assert not any(client["publicClient"] for client in REALM["clients"] if client["enabled"])


def test_users_edit_nothing_and_nothing_is_required() -> None:
    """A required attribute would be a page at every launch; an editable one would change who somebody is."""
    (provider,) = REALM["components"]["org.keycloak.userprofile.UserProfileProvider"]
    profile = json.loads(provider["config"]["kc.user.profile.config"][0])
    assert [attribute["name"] for attribute in profile["attributes"]] == ["username", "email", "firstName", "lastName"]
    for attribute in profile["attributes"]:
        assert "required" not in attribute
        assert attribute["permissions"]["edit"] == ["admin"]


def test_messages_of_the_flows_are_in_the_theme() -> None:
    """What a refusal shows is a key of the theme's messages."""
    messages = (
        REPOSITORY / "keycloak" / "themes" / REALM["loginTheme"] / "login" / "messages" / "messages_en.properties"
    )
    keys = {line.partition("=")[0] for line in messages.read_text().splitlines() if "=" in line and line[0] != "#"}
    shown = {
        each["config"]["denyErrorMessage"]
        for each in REALM["authenticatorConfig"]
        if "denyErrorMessage" in each["config"]
    }
    assert len(shown) == 2
    assert shown <= keys


@pytest.mark.parametrize("key", sorted(REALM))
def test_the_readme_gives_a_reason_for_each_setting(key: str) -> None:
    """Each key of the file is in the README."""
    assert f"`{key}`" in README


def test_the_package_has_the_files() -> None:
    """`realm apply` reads them where there is no repository: in the image, too."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    files = sorted((REPOSITORY / "realm-config").glob("*.json"))
    assert included == {f"realm-config/{file.name}": f"broker/realm-config/{file.name}" for file in files}
    assert "COPY realm-config realm-config\n" in (REPOSITORY / "Dockerfile").read_text("utf-8")
