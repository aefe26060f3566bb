"""The realm file for mode existing by facts; what both realms need is the same in both files."""

import json
import re
from typing import Any

import pytest

from broker.converge.desired import FIRST_LOGIN_FLOW
from tests.unit.test_realm_file import PLACEHOLDERS, README, REALM, REPOSITORY

TEXT = (REPOSITORY / "realm-config" / "existing-realm.json").read_text()
EXISTING: dict[str, Any] = json.loads(TEXT)


def by(name: str, entries: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Entries by their name."""
    return {entry[name]: entry for entry in entries}


@pytest.mark.parametrize("name", ["talkdesk-launch", "talkdesk-broker"])
def test_the_brokers_clients_are_those_of_the_own_realm(name: str) -> None:
    """The broker is the same in both modes."""
    assert by("clientId", EXISTING["clients"])[name] == by("clientId", REALM["clients"])[name]


def test_there_is_no_other_client() -> None:
    """Everything else is the company's, and Keycloak's own default here."""
    assert set(by("clientId", EXISTING["clients"])) == {"talkdesk-launch", "talkdesk-broker"}


def test_scopes_are_those_of_the_own_realm_but_for_the_address() -> None:
    """The claim `email` is the company's own here, as Keycloak has it."""
    existing, own = by("name", EXISTING["clientScopes"]), by("name", REALM["clientScopes"])
    assert {name for name in own if existing[name] != own[name]} == {"email"}
    kinds = {mapper["protocolMapper"] for mapper in existing["email"]["protocolMappers"]}
    assert kinds == {"oidc-usermodel-attribute-mapper", "oidc-usermodel-property-mapper"}


def test_the_first_login_only_links() -> None:
    """No step creates or asks; the role counts only once an administrator says so."""
    flows = by("alias", EXISTING["authenticationFlows"])
    steps = flows[FIRST_LOGIN_FLOW]["authenticationExecutions"]
    assert [(step.get("authenticator") or step["flowAlias"], step["requirement"]) for step in steps] == [
        ("idp-detect-existing-broker-user", "REQUIRED"),
        ("idp-auto-link", "REQUIRED"),
        ("talkdesk role", "DISABLED"),
    ]
    guard = flows["talkdesk role"]["authenticationExecutions"]
    assert [step["authenticator"] for step in guard] == ["conditional-user-role", "deny-access-authenticator"]
    configurations = {step["authenticatorConfig"] for step in guard}
    assert configurations == set(by("alias", EXISTING["authenticatorConfig"]))
    (role,) = EXISTING["roles"]["realm"]
    condition = by("alias", EXISTING["authenticatorConfig"])["talkdesk without the role"]["config"]
    assert condition == {"condUserRole": role["name"], "negate": "true"}


def test_the_service_account_reads_users_and_writes_none() -> None:
    """One role more than in the own realm."""
    (user,) = EXISTING["users"]
    assert user["clientRoles"] == {"realm-management": ["manage-identity-providers", "view-users"]}
    assert "realmRoles" not in user


def test_placeholders_are_those_of_the_own_realm() -> None:
    """And no secret is in the file."""
    assert set(re.findall(r"\$\{(BROKER_\w+)\}", TEXT)) == PLACEHOLDERS


@pytest.mark.parametrize("key", sorted(EXISTING))
def test_the_readme_names_each_setting(key: str) -> None:
    """Each key of the file is in the README."""
    assert f"`{key}`" in README
