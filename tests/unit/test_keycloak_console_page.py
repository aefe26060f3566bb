"""docs/keycloak-console.md says what the code does: whose each field is, and which tests show the rest."""

import re
from pathlib import Path

from broker.converge.desired import FIELDS, MAPPER, Whose
from tests.unit.test_docs import TESTS, names_in, names_of_tests_below, table

PAGE = "keycloak-console.md"
COMPOSE = Path(__file__).parents[2] / "docker-compose.yml"


def test_every_field_is_documented_with_its_owner() -> None:
    """And nothing is said to be ours that is not; what is the administrator's may be named as an example."""
    documented = {names_in(row[0])[0]: row[1] for row in table(PAGE, "field")}
    ours = {name for name, whose in documented.items() if whose == Whose.OURS.value}
    assert ours == {name for name, whose in FIELDS.items() if whose is Whose.OURS} | {MAPPER}
    assert set(documented.values()) == {whose.value for whose in Whose}
    assert {name for name in FIELDS if name not in documented} == set()


def test_what_is_said_to_follow_is_shown_by_a_test() -> None:
    """Each row names one that is there."""
    rows = table(PAGE, "in the console")
    named = {name for row in rows for name in names_in(row[2])}
    assert len(named) == len(rows)
    assert named <= names_of_tests_below(TESTS / "scenarios")


def test_the_documented_cache_settings_are_those_of_the_compose_file() -> None:
    """By name and value."""
    documented = {names_in(row[0])[0]: names_in(row[1])[0] for row in table(PAGE, "option")}
    assert documented == dict(re.findall(r'^      (KC_CACHE_\w+): "(\d+)"', COMPOSE.read_text("utf-8"), re.MULTILINE))
