"""Whom a Talkdesk user is in a realm of somebody else's: links first, then the account's rule, and never a guess."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from broker.errors import SignOnFailed
from broker.model.identity_provider import ProviderRecord, ProviderState
from broker.model.names import AccountId, Alias, InstallationId
from broker.model.realm_user import MatchRule, RealmUser, is_of_domain
from broker.model.sign_on import Person
from broker.provider.match import MatchUser
from broker.realm.in_memory import InMemoryRealmUsers
from tests.unit.test_tokens import INSTALLATION, PERSON, SIGN_ON

NOW = datetime(2026, 1, 2, tzinfo=UTC)
OWN, NOTES, THIRD = Alias("talkdesk-4400ebd8"), Alias("talkdesk-notes"), Alias("talkdesk-third")
ANA = RealmUser("1", "a.sousa", "ana@acme.example", True)
BRUNO = RealmUser("2", "b.costa", "bruno@acme.example", True)
SUB = SIGN_ON.sub
BY_EMAIL = MatchRule("email", ("acme.example",))


class Records:
    """Live identity providers of the account; only what the match asks."""

    async def live_of_account(self, account: AccountId) -> list[ProviderRecord]:
        """As the port says."""
        assert account == INSTALLATION.account
        owners = ((INSTALLATION.id, OWN), (InstallationId("notes"), NOTES), (InstallationId("third"), THIRD))
        return [ProviderRecord(owner, 1, alias, ProviderState.LIVE) for owner, alias in owners]


@pytest.fixture
def users() -> InMemoryRealmUsers:
    """Ana and Bruno."""
    return InMemoryRealmUsers([ANA, BRUNO])


def match_with(users: InMemoryRealmUsers, rule: MatchRule = BY_EMAIL) -> MatchUser:
    """The account's rule in this realm."""
    return MatchUser(users, Records(), {INSTALLATION.account: rule})  # type: ignore[arg-type]


async def reason_of(users: InMemoryRealmUsers, person: Person = PERSON, rule: MatchRule = BY_EMAIL) -> str:
    """Why the person is stopped."""
    with pytest.raises(SignOnFailed) as stopped:
        await match_with(users, rule)(INSTALLATION, person)
    return stopped.value.reason


@pytest.mark.parametrize("alias", [OWN, NOTES])
async def test_a_link_through_any_app_of_the_account_wins_over_the_rule(
    users: InMemoryRealmUsers, alias: Alias
) -> None:
    """Whatever address Talkdesk names; not even one that is outside the domains or missing matters."""
    users.linked_to[BRUNO.id, alias] = SUB
    for email in (PERSON.email, "x@evil.example", None):
        assert await match_with(users)(INSTALLATION, replace(PERSON, email=email)) == BRUNO


async def test_the_own_link_is_what_keycloak_goes_by(users: InMemoryRealmUsers) -> None:
    """Links that an administrator made differ between apps: each app's own counts there."""
    users.linked_to |= {(ANA.id, OWN): SUB, (BRUNO.id, NOTES): SUB}
    assert await match_with(users)(INSTALLATION, PERSON) == ANA


async def test_other_apps_links_that_differ_are_no_answer(users: InMemoryRealmUsers) -> None:
    """Nobody guesses, and the rule does not decide it either."""
    users.linked_to |= {(ANA.id, NOTES): SUB, (BRUNO.id, THIRD): SUB}
    assert await reason_of(users) == "user_not_unique"


@pytest.mark.parametrize("alias", [OWN, NOTES])
async def test_who_is_linked_to_another_talkdesk_user_is_not_matched(users: InMemoryRealmUsers, alias: Alias) -> None:
    """Through this app or another one of the account."""
    users.linked_to[ANA.id, alias] = "talkdesk-5e8d6028-somebody"
    assert await reason_of(users) == "user_linked_elsewhere"


async def test_a_link_of_another_account_does_not_count(users: InMemoryRealmUsers) -> None:
    """Somebody may work for two customers."""
    users.linked_to[ANA.id, Alias("talkdesk-of-globex")] = "talkdesk-globex-somebody"
    assert await match_with(users)(INSTALLATION, PERSON) == ANA


async def test_a_linked_user_who_is_disabled_is_stopped(users: InMemoryRealmUsers) -> None:
    """No other user is looked for."""
    users.users[0] = replace(ANA, is_enabled=False)
    users.linked_to[ANA.id, OWN] = SUB
    assert await reason_of(users, replace(PERSON, email=BRUNO.email)) == "user_disabled"


@pytest.mark.parametrize(
    ("email", "rule", "reason"),
    [
        (None, BY_EMAIL, "email_missing"),
        ("ana@evil.example", BY_EMAIL, "email_not_allowed"),
        ("ana@evil.example", MatchRule("username", ("acme.example",)), "email_not_allowed"),
        ("carla@acme.example", BY_EMAIL, "user_not_found"),
        ("a.sousa", MatchRule("username", ("acme.example",)), "email_not_allowed"),
        ("ana@acme.example", MatchRule("username", ("acme.example",)), "user_not_found"),
        ("ana@acme.example", MatchRule("talkdeskUserId", ()), "user_not_found"),
    ],
)
async def test_what_names_nobody_has_its_own_reason(
    users: InMemoryRealmUsers, email: str | None, rule: MatchRule, reason: str
) -> None:
    """A table of addresses and rules."""
    assert await reason_of(users, replace(PERSON, email=email), rule) == reason


@pytest.mark.parametrize(
    ("email", "expected"),
    [
        ("ana@acme.example", True),
        ("Ana@ACME.Example", True),
        ('"a@evil.example"@acme.example', True),
        ("ana@sub.acme.example", False),
        ("ana@notacme.example", False),
        ("ana@acme.example@evil.example", False),
        ("acme.example", False),
        ("@acme.example", False),
        ("ana@", False),
        ("", False),
        (None, False),
    ],
)
def test_a_domain_is_what_follows_the_last_at_sign(email: str | None, expected: bool) -> None:
    """A table of addresses."""
    assert is_of_domain(email, ("acme.example",)) is expected
