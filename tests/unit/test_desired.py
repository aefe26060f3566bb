"""What an identity provider should be, and how that meets what is there."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.converge.desired import (
    FIELDS,
    NOTES,
    OWNER_KEY,
    SETTING_UP_KEY,
    Deployment,
    Whose,
    desired_mapper,
    desired_provider,
    display_name,
)
from broker.converge.merge import completed, is_ours, merged, merged_mapper, setting_up, writable
from broker.model.installation import Installation
from broker.model.names import AccountId, Alias, AppId, InstallationId

GOLDEN = Path(__file__).parent.parent / "golden" / "identity_provider.json"

ALIAS = Alias("talkdesk-4400ebd85fa04322abf5b64de93dc913")
DEPLOYMENT = Deployment("https://broker.example.com", "http://broker:8000", "0f2c")
INSTALLATION = Installation(
    id=InstallationId("4400ebd85fa04322abf5b64de93dc913"),
    app=AppId("f918e2623486417791f3b5a18ca746ce"),
    account=AccountId("5e8d60283cc24683a9523319"),
    account_name="Acme",
    credentials=None,
    links=None,
    changed_at=datetime(2026, 11, 25, 9, 30, tzinfo=UTC),
)
DESIRED = desired_provider(INSTALLATION, "Wallboard", ALIAS, DEPLOYMENT)

OURS = [field for field, whose in FIELDS.items() if whose is Whose.OURS]
ADMINISTRATORS = [field for field, whose in FIELDS.items() if whose is Whose.ADMINISTRATORS]


def found(**changes: Any) -> dict[str, Any]:
    """As Keycloak answers a complete one."""
    return DESIRED | {"internalId": "b1c2", "types": ["USER_AUTHENTICATION"], "authenticateByDefault": False} | changes


def altered(field: str) -> dict[str, Any]:
    """As Keycloak answers after somebody has changed this field in the console."""
    name = field.removeprefix("config.")
    if name != field:
        return found(config=DESIRED["config"] | {name: "changed"})
    value = DESIRED[field]
    return found(**{field: not value if isinstance(value, bool) else "changed"})


def test_the_representations_are_the_golden_ones() -> None:
    """Provider as it is created, provider when complete, and mapper are exactly those on file."""
    made = {"created": setting_up(DESIRED), "complete": DESIRED, "mapper": desired_mapper(ALIAS)}

    assert made == json.loads(GOLDEN.read_text("utf-8"))


def test_the_table_names_exactly_the_fields_that_are_sent() -> None:
    """No field is sent of which nobody has said whose it is."""
    sent = {name for name in DESIRED if name != "config"} | {f"config.{name}" for name in DESIRED["config"]}

    assert sent == set(FIELDS)


def test_the_second_generation_keeps_issuer_and_client_id() -> None:
    """A new alias finds the same users only if everything else that names them stays."""
    second = desired_provider(INSTALLATION, "Wallboard", Alias(f"{ALIAS}-2"), DEPLOYMENT)

    assert second == DESIRED | {"alias": f"{ALIAS}-2"}


def test_users_of_somebody_elses_realm_are_not_written() -> None:
    """Mode existing: IMPORT and no trust in an address, and nothing else is different; the notes come at every sign-on all the same."""
    existing = desired_provider(INSTALLATION, "Wallboard", ALIAS, replace(DEPLOYMENT, makes_users=False))

    expected = DESIRED | {"trustEmail": False, "config": DESIRED["config"] | {"syncMode": "IMPORT"}}
    assert existing == expected
    assert desired_mapper(ALIAS)["config"]["syncMode"] == "FORCE"


def test_every_value_of_config_is_a_text_that_keycloak_keeps() -> None:
    """Anything but a string, and an empty string, would come back different and be written again for ever."""
    assert all(isinstance(value, str) and value for value in DESIRED["config"].values())


def test_every_note_is_mapped_whatever_its_value() -> None:
    """The mapper takes each claim as it comes."""
    claims = json.loads(desired_mapper(ALIAS)["config"]["claims"])

    assert claims == [{"key": note, "value": ".*"} for note in NOTES]


@pytest.mark.parametrize(
    ("account", "app", "expected"),
    [
        ("Acme", "Wallboard", "Talkdesk – Acme – Wallboard"),
        ("  Acme \t\r\n Inc.  ", "Wallboard", "Talkdesk – Acme Inc. – Wallboard"),
        ("Ac\u0000me\u202e\u200bX", "Wall\u0007board", "Talkdesk – Ac me X – Wall board"),
        ("<b>Acme</b>", "Wallboard", "Talkdesk – <b>Acme</b> – Wallboard"),
        ("Ação 株式会社 🎧", "Wallboard", "Talkdesk – Ação 株式会社 🎧 – Wallboard"),
        ("\ud800Acme", "Wallboard", "Talkdesk – Acme – Wallboard"),
        ("a" * 300, "Wallboard", f"Talkdesk – {'a' * 227} – Wallboard"),
        ("🎧" * 300, "Wallboard", f"Talkdesk – {'🎧' * 113} – Wallboard"),
    ],
)
def test_display_name(account: str, app: str, expected: str) -> None:
    """Control and format characters go, everything else stays; the account's name gives way where it is too long."""
    assert display_name(account, app) == expected


@given(st.text(), st.text())
def test_a_display_name_always_fits(account: str, app: str) -> None:
    """Whatever a customer calls himself, it is one line of text, short enough for Keycloak."""
    name = display_name(account, app)

    assert len(name.encode("utf-16-le")) // 2 <= 250
    assert name.isprintable()
    assert name.startswith("Talkdesk – ")


def test_what_is_complete_needs_no_write() -> None:
    """What Keycloak adds by itself is no difference."""
    assert completed(merged(found(), DESIRED)) == writable(found())


@pytest.mark.parametrize("field", OURS)
def test_a_field_of_ours_is_repaired(field: str) -> None:
    """Whatever somebody made of it in the console, it becomes what it was."""
    assert completed(merged(altered(field), DESIRED)) == writable(found())


@pytest.mark.parametrize("field", ADMINISTRATORS)
def test_a_field_of_the_administrator_stays(field: str) -> None:
    """`enabled` as well: who disabled an identity provider meant it."""
    assert completed(merged(altered(field), DESIRED)) == writable(altered(field))


def test_fields_that_we_do_not_know_stay() -> None:
    """A second factor after the sign-on, a position in the console."""
    current = found(postBrokerLoginFlowAlias="otp", config=DESIRED["config"] | {"guiOrder": "7"})

    assert completed(merged(current, DESIRED)) == writable(current)


def test_what_keycloak_adds_is_never_sent_back() -> None:
    """26.4 refuses a PUT that holds `types`."""
    assert {"internalId", "types"}.isdisjoint(merged(found(), DESIRED))


def test_an_unfinished_one_becomes_enabled_and_loses_its_mark() -> None:
    """Disabled by us is not disabled by an administrator."""
    assert completed(merged(setting_up(DESIRED), DESIRED)) == DESIRED


@pytest.mark.parametrize(
    "current",
    [
        {"alias": ALIAS},
        {"alias": ALIAS, "config": {}},
        found(config={name: value for name, value in DESIRED["config"].items() if name != OWNER_KEY}),
        found(config=DESIRED["config"] | {OWNER_KEY: "another"}),
    ],
)
def test_without_our_instance_id_it_is_not_ours(current: dict[str, Any]) -> None:
    """The alias, the issuer and the client id prove nothing."""
    assert not is_ours(current, DEPLOYMENT.instance)


def test_with_our_instance_id_it_is_ours() -> None:
    """Complete or not."""
    assert is_ours(found(), DEPLOYMENT.instance)
    assert is_ours(setting_up(DESIRED), DEPLOYMENT.instance)
    assert SETTING_UP_KEY in setting_up(DESIRED)["config"]


def test_a_mapper_is_repaired_and_keeps_its_id() -> None:
    """Notes that were taken out come back; a setting that we do not know stays."""
    desired = desired_mapper(ALIAS)
    current = desired | {"id": "7", "config": desired["config"] | {"claims": "[]", "more": "x"}}

    assert merged_mapper(current, desired) == desired | {"id": "7", "config": desired["config"] | {"more": "x"}}
