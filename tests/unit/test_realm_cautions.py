"""What `realm plan` tells the realm's administrator: by a stable code, and nothing without a reason (pure)."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from broker.converge.realm import cautions as module
from broker.converge.realm.cautions import cautions
from broker.converge.realm.wanted import RealmNeeds, wanted_realm
from tests.unit.test_docs import names_in, table
from tests.unit.test_realm_compare import NEEDS, OWN, as_found, changed

BY_EMAIL = replace(NEEDS, match_rules=frozenset({"email"}))
EDITABLE = {"permissions": {"view": ["admin"], "edit": ["admin", "user"]}}
BY_ADMIN = {"permissions": {"view": ["admin"], "edit": ["admin"]}}


@pytest.mark.parametrize(
    ("needs", "parts", "codes"),
    [
        (BY_EMAIL, {}, []),
        (BY_EMAIL, {"settings": {"registrationAllowed": True}}, ["registration"]),
        (BY_EMAIL, {"settings": {"registrationAllowed": True, "verifyEmail": True}}, []),
        (BY_EMAIL, {"settings": {"duplicateEmailsAllowed": True}}, ["email_not_unique"]),
        (BY_EMAIL, {"profile": {"attributes": [{"name": "email", **EDITABLE}]}}, ["email_editable"]),
        (BY_EMAIL, {"profile": {"attributes": [{"name": "email", **BY_ADMIN}]}}, []),
        (
            replace(NEEDS, match_rules=frozenset({"username"})),
            {"settings": {"editUsernameAllowed": True}},
            ["username_editable"],
        ),
        (
            replace(NEEDS, match_rules=frozenset({"talkdeskUserId"})),
            {"profile": {"attributes": [{"name": "talkdeskUserId", **EDITABLE}]}},
            ["attribute_editable"],
        ),
        (
            replace(NEEDS, match_rules=frozenset({"talkdeskUserId"})),
            {"profile": {"attributes": []}},
            ["attribute_undeclared"],
        ),
        (
            NEEDS,
            {"required_actions": {"TERMS_AND_CONDITIONS": {"enabled": True, "defaultAction": True}}},
            ["default_action"],
        ),
        (
            NEEDS,
            {
                "required_actions": {"VERIFY_PROFILE": {"enabled": True}},
                "profile": {"attributes": [{"name": "email", "required": {"roles": ["user"]}}]},
            },
            ["profile_incomplete"],
        ),
        (
            NEEDS,
            {"account_roles": frozenset({"manage-identity-providers", "view-users", "realm-admin"})},
            ["account_role"],
        ),
        (NEEDS, {"account_roles": frozenset({"manage-identity-providers", "view-users", "view-realm"})}, []),
        (
            OWN,
            {"settings": {**wanted_realm(OWN).settings, "browserFlow": "browser", "resetPasswordAllowed": True}},
            ["own_setting", "own_flow"],
        ),
        (OWN, {"required_actions": {"UPDATE_PASSWORD": {"enabled": True}}}, ["own_required_actions"]),
        (OWN, {"profile": {"attributes": [{"name": "email", "required": {}}]}}, ["own_profile"]),
    ],
)
def test_what_only_an_administrator_can_decide_is_told(
    needs: RealmNeeds, parts: dict[str, Any], codes: list[str]
) -> None:
    """By a stable code, and with nothing else beside it."""
    wanted = wanted_realm(needs)
    assert [each.code for each in cautions(wanted, changed(as_found(wanted), **parts), needs)] == codes


def test_a_client_with_flows_of_its_own_is_told() -> None:
    """It could have the password form that the realm has not."""
    wanted = wanted_realm(OWN)
    found = replace(as_found(wanted), own_flows={"wallboard": ["browser"]})
    (caution,) = cautions(wanted, found, OWN)
    assert (caution.code, "wallboard" in caution.sentence) == ("own_client_flow", True)


@pytest.mark.parametrize(
    ("version", "codes"),
    [
        ("26.7.3", []),
        ("26.7.4", []),
        ("27.0.0", []),
        ("26.7.2", ["keycloak_broken"]),
        ("26.6.0", ["keycloak_broken"]),
        ("26.4.7", ["keycloak_old"]),
        ("26.4.6", ["keycloak_untried"]),
        ("999.0.0-SNAPSHOT", []),
        (None, []),
    ],
)
def test_versions_that_are_old_or_broken_are_told(version: str | None, codes: list[str]) -> None:
    """A version that is not to be seen says nothing."""
    wanted = wanted_realm(NEEDS)
    found = replace(as_found(wanted), version=version)
    assert [each.code for each in cautions(wanted, found, NEEDS)] == codes


def test_every_warning_is_documented() -> None:
    """And none that is not there."""
    codes = set(re.findall(r'yield\s*\(?\s*"([a-z_]+)"', Path(module.__file__).read_text("utf-8")))
    assert codes == {code for row in table("realm.md", "warning") for code in names_in(row[0])}
