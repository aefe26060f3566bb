"""What `realm apply` would change: ours is made right, and everything else stays (pure)."""

from dataclasses import replace
from typing import Any

import pytest

from broker.converge.realm.cautions import cautions
from broker.converge.realm.compare import changes
from broker.converge.realm.wanted import RealmNeeds, wanted_realm, without_taste
from broker.model.realm_setup import Change, Flow, FoundRealm, Part, RealmSetup, Step

NEEDS = RealmNeeds(
    makes_users=False,
    public_url="https://broker.example",
    client_id="talkdesk-broker",
    client_secret="s3cret-of-the-account",
    launch_client_id="talkdesk-launch",
    launch_client_secret='s3cret "of" launches',
    relay_urls={"wallboard": "https://broker.example/relay/wallboard"},
)
OWN = replace(NEEDS, makes_users=True)
WALLBOARD = {"clientId": "wallboard", "attributes": {"backchannel.logout.url": "https://wallboard.example/logout"}}


def as_found(wanted: RealmSetup) -> FoundRealm:
    """A realm in which nothing is to be done."""
    texts = dict.fromkeys(("en", "es", "pt"), wanted.texts[""]) if wanted.texts else {}
    clients = {**wanted.clients, "wallboard": {"clientId": "wallboard", **wanted.clients["wallboard"]}}
    return FoundRealm(replace(wanted, texts=texts, clients=clients), version="26.7.3")


def changed(found: FoundRealm, **parts: Any) -> FoundRealm:
    """The realm with other parts."""
    return replace(found, setup=replace(found.setup, **parts))


def lines(made: tuple[Change, ...]) -> list[tuple[str, str, Any, Any]]:
    """Each difference with what it is of."""
    return [(each.name, one.field, one.found, one.wanted) for each in made for one in each.differences]


@pytest.mark.parametrize("needs", [NEEDS, OWN], ids=["existing", "own"])
def test_what_is_as_wanted_is_left_alone(needs: RealmNeeds) -> None:
    """In both modes."""
    wanted = wanted_realm(needs)
    assert changes(wanted, as_found(wanted)) == ()


def test_a_role_that_can_do_more_is_wanted_only_where_the_setting_asks_for_it() -> None:
    """`manage-users`, for END_FOREIGN_SESSIONS: given by the plan then, and else warned of."""
    asked = wanted_realm(replace(NEEDS, ends_foreign_sessions=True))
    assert asked.account_roles - wanted_realm(NEEDS).account_roles == {"manage-users"}
    assert "manage-users" in str(changes(asked, as_found(wanted_realm(NEEDS))))
    assert "account_role" in {each.code for each in cautions(wanted_realm(NEEDS), as_found(asked), NEEDS)}


def test_the_existing_mode_wants_nothing_but_its_own() -> None:
    """No setting, no profile, no required action and no built-in scope of a realm that somebody else owns."""
    wanted = wanted_realm(NEEDS)
    assert wanted.settings == {}
    assert wanted.profile is None
    assert not wanted.required_actions
    assert not wanted.texts
    assert not wanted.default_scopes
    assert set(wanted.scopes) == {"talkdesk"}
    assert set(wanted.flows) == {"talkdesk first login"}
    assert set(wanted.clients) == {"talkdesk-launch", "talkdesk-broker", "wallboard"}


def test_values_of_any_kind_get_into_the_realm() -> None:
    """Unlike in an import, a secret may hold quotation marks."""
    assert wanted_realm(NEEDS).clients["talkdesk-launch"]["secret"] == NEEDS.launch_client_secret


def test_other_client_ids_are_taken() -> None:
    """As the settings name them."""
    wanted = wanted_realm(replace(NEEDS, client_id="our-broker", launch_client_id="our-launches"))
    assert set(wanted.clients) == {"our-launches", "our-broker", "wallboard"}
    assert wanted.clients["our-broker"]["clientId"] == wanted.account_client == "our-broker"


def test_no_secret_is_in_a_difference_or_a_representation() -> None:
    """Neither the one that is wanted nor the one that is there."""
    wanted = wanted_realm(NEEDS)
    found = as_found(wanted)
    other = {**found.setup.clients, "talkdesk-broker": wanted.clients["talkdesk-broker"] | {"secret": "an old one"}}
    made = changes(wanted, changed(found, clients=other))
    assert lines(made) == [("talkdesk-broker", "secret", "another one", "the broker's")]
    for secret in (NEEDS.client_secret, NEEDS.launch_client_secret, "an old one"):
        assert secret not in repr((made, NEEDS, found, wanted))


def test_an_app_is_told_through_the_relay_and_nothing_else_of_it_changes() -> None:
    """Its client is its administrator's: one address is ours, and a client that is missing is not made."""
    wanted = wanted_realm(NEEDS)
    found = as_found(wanted)
    (change,) = changes(wanted, changed(found, clients={**found.setup.clients, "wallboard": WALLBOARD}))
    assert lines((change,)) == [
        (
            "wallboard",
            "attributes.backchannel.logout.url",
            "https://wallboard.example/logout",
            NEEDS.relay_urls["wallboard"],
        )
    ]
    assert change.content == {"attributes": {"backchannel.logout.url": NEEDS.relay_urls["wallboard"]}}
    without = {name: each for name, each in found.setup.clients.items() if name != "wallboard"}
    assert changes(wanted, changed(found, clients=without)) == ()
    assert [each.code for each in cautions(wanted, changed(found, clients=without), NEEDS)] == ["relay_client_missing"]


def test_what_an_administrator_adds_or_names_stays() -> None:
    """Further scopes of a client, mappers, names and descriptions, further attributes."""
    wanted = wanted_realm(NEEDS)
    found = as_found(wanted)
    launch = wanted.clients["talkdesk-launch"] | {
        "name": "Sign-on from Talkdesk",
        "defaultClientScopes": [*wanted.clients["talkdesk-launch"]["defaultClientScopes"], "profile"],
        "optionalClientScopes": ["phone"],
    }
    launch["attributes"] = launch["attributes"] | {"login_theme": "company"}
    scope = dict(wanted.scopes["talkdesk"])
    scope["protocolMappers"] = [*scope["protocolMappers"], {"name": "another", "config": {}}]
    there = changed(found, clients={**found.setup.clients, "talkdesk-launch": launch}, scopes={"talkdesk": scope})
    assert changes(wanted, there) == ()


def test_taste_is_the_administrators_once_the_realm_is_set_up() -> None:
    """Languages, theme, events; what keeps other ways in closed is not."""
    wanted = wanted_realm(OWN)
    found = as_found(wanted)
    there = changed(found, settings=found.setup.settings | {"loginTheme": "company", "registrationAllowed": True})
    assert ("", "loginTheme", "company", "talkdesk") in lines(changes(wanted, there))
    assert lines(changes(without_taste(wanted), there)) == [("", "registrationAllowed", True, False)]


def test_every_language_that_the_realm_has_is_told_where_the_broker_is() -> None:
    """Also one that the administrator added."""
    wanted = without_taste(wanted_realm(OWN))
    found = as_found(wanted_realm(OWN))
    there = changed(found, settings=found.setup.settings | {"supportedLocales": ["en", "de"]})
    assert lines(changes(wanted, there)) == [("de", "talkdeskResumeUrl", None, "https://broker.example/launch/resume")]


def test_parts_that_can_not_be_seen_are_not_guessed() -> None:
    """An account that may see nothing gets an empty plan, not one that would make everything again."""
    found = FoundRealm(RealmSetup(), unseen=frozenset(Part))
    assert changes(wanted_realm(OWN), found) == ()


# --- Flows -----------------------------------------------------------------------------------------


def with_flow(found: FoundRealm, *steps: Step) -> FoundRealm:
    """The realm with other steps in its first-login flow."""
    return changed(found, flows={"talkdesk first login": Flow("talkdesk first login", "", steps)})


def flow_lines(*steps: Step) -> list[tuple[str, Any, Any]]:
    """Differences of that flow in mode existing."""
    wanted = wanted_realm(NEEDS)
    made = changes(wanted, with_flow(as_found(wanted), *steps))
    return [(field, found, want) for _, field, found, want in lines(made)]


DETECT, LINK, ROLE = wanted_realm(NEEDS).flows["talkdesk first login"].steps


def test_a_step_that_counts_otherwise_is_mended() -> None:
    """An alternative would let people through without it."""
    assert flow_lines(replace(DETECT, requirement="ALTERNATIVE"), LINK, ROLE) == [
        ("idp-detect-existing-broker-user", "ALTERNATIVE", "REQUIRED")
    ]


def test_the_role_is_the_administrators_to_ask_for() -> None:
    """And the sentence that people read is in his words."""
    condition, deny = ROLE.steps
    words = replace(deny, config={"denyErrorMessage": "Ask the service desk."})
    asked_for = replace(ROLE, requirement="CONDITIONAL", steps=(condition, words))
    assert flow_lines(DETECT, LINK, asked_for) == []
    other = replace(condition, config={**condition.config, "condUserRole": "agents"})
    assert flow_lines(DETECT, LINK, replace(asked_for, steps=(other, words))) == [
        ("talkdesk role → conditional-user-role: condUserRole", "agents", "talkdesk-sign-on")
    ]


def test_a_missing_step_and_the_wrong_order_are_seen() -> None:
    """Linking before it is known to whom would fail."""
    assert flow_lines(LINK, DETECT, ROLE) == [
        (
            "order",
            ["idp-auto-link", "idp-detect-existing-broker-user", "talkdesk role"],
            ["idp-detect-existing-broker-user", "idp-auto-link", "talkdesk role"],
        )
    ]
    assert flow_lines(DETECT, ROLE) == [("idp-auto-link", None, "REQUIRED")]


def test_a_foreign_step_stays_in_somebody_elses_realm_and_is_told() -> None:
    """In a realm of the broker's own it goes: it could be a way in."""
    form = Step("idp-username-password-form", "REQUIRED")
    wanted = wanted_realm(NEEDS)
    there = with_flow(as_found(wanted), DETECT, LINK, ROLE, form)
    assert changes(wanted, there) == ()
    assert [each.code for each in cautions(wanted, there, NEEDS)] == ["step_added"]
    own = wanted_realm(OWN)
    flow = own.flows["talkdesk deny"]
    more = {**own.flows, "talkdesk deny": replace(flow, steps=(*flow.steps, form))}
    assert lines(changes(own, changed(as_found(own), flows=more))) == [
        ("talkdesk deny", "idp-username-password-form", "REQUIRED", None)
    ]
