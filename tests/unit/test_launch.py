"""Pure parts of a launch: the decision, the browser's cookies, the start URL."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from broker.door import with_issuer
from broker.launch.decide import Next, Session, decide
from broker.model.authorization import AuthorizationRequest, Launch, Proven, Trip
from broker.model.browser import bind, surplus
from broker.model.names import AccountId, Alias, InstallationId, TalkdeskUserId
from broker.model.realm_user import RealmUser
from broker.model.sign_on import Person, SignOn, SignOnState
from tests.unit.test_tokens import INSTALLATION, PERSON, SIGN_ON

BEGAN = datetime(2026, 1, 2, 3, 0, 0, tzinfo=UTC)
LAUNCH = Launch(INSTALLATION.id, PERSON.user, BEGAN)
BRUNO = TalkdeskUserId("bruno")
OLD = replace(SIGN_ON, asked_at=BEGAN - timedelta(hours=1), state=SignOnState.SEEN)
OTHERS = replace(OLD, person=Person(INSTALLATION.account, BRUNO, None, None))
STRANGER = replace(OLD, person=replace(PERSON, account=AccountId("globex")))
PROVEN = replace(LAUNCH, hint=None, proven=PERSON.user)


@pytest.mark.parametrize(
    ("launch", "session", "expected"),
    [
        (LAUNCH, replace(OTHERS, asked_at=BEGAN), Next.OPEN_APP),
        (LAUNCH, OLD, Next.OPEN_APP),
        (LAUNCH, replace(OLD, installation=InstallationId("other app")), Next.OPEN_APP),
        (LAUNCH, OTHERS, Next.PROVE),
        (LAUNCH, replace(OTHERS, created_at=BEGAN + timedelta(minutes=1)), Next.PROVE),
        (LAUNCH, replace(OTHERS, asked_at=BEGAN, installation=InstallationId("other")), Next.PROVE),
        (LAUNCH, STRANGER, Next.PROVE),
        (replace(LAUNCH, hint=None), OLD, Next.PROVE),
        (LAUNCH, replace(OLD, state=SignOnState.ENDED), Next.PROVE),
        (LAUNCH, replace(OLD, asked_at=BEGAN, state=SignOnState.ENDED), Next.PROVE),
    ],
)
def test_only_a_sign_on_asked_for_in_this_launch_or_of_the_hinted_person_opens_the_app(
    launch: Launch, session: SignOn, expected: Next
) -> None:
    """Everybody else is asked for at Talkdesk before anything ends; a code that came late is not of this launch."""
    assert decide(launch, INSTALLATION, Session("somebody", session)) is expected


@pytest.mark.parametrize(
    ("launch", "session", "expected"),
    [
        (PROVEN, OLD, Next.OPEN_APP),
        (PROVEN, OTHERS, Next.END_AND_SIGN_ON),
        (PROVEN, STRANGER, Next.END_AND_SIGN_ON),
        (PROVEN, replace(OLD, state=SignOnState.ENDED), Next.END_AND_SIGN_ON),
        (replace(PROVEN, hint=BRUNO), OTHERS, Next.END_AND_SIGN_ON),
        (PROVEN, replace(OTHERS, asked_at=BEGAN), Next.END_AND_SIGN_ON),
    ],
)
def test_a_proven_person_keeps_a_session_or_gets_a_new_one(launch: Launch, session: SignOn, expected: Next) -> None:
    """The same person in a living session goes on; anybody else's ends, whatever the hint says."""
    assert decide(launch, INSTALLATION, Session("somebody", session)) is expected


@pytest.mark.parametrize(
    ("launch", "user", "expected"),
    [
        (LAUNCH, "ana", Next.PROVE),
        (replace(LAUNCH, hint=None), "ana", Next.PROVE),
        (replace(PROVEN, realm_user="ana"), "ana", Next.OPEN_APP),
        (replace(PROVEN, realm_user="ana"), "bruno", Next.STOP),
        (PROVEN, "ana", Next.STOP),
    ],
)
def test_a_session_that_is_not_ours_is_the_proven_persons_or_stops_the_launch(
    launch: Launch, user: str, expected: Next
) -> None:
    """It is never ended; without a Keycloak user to compare with (mode own) it is nobody's."""
    assert decide(launch, INSTALLATION, Session(user, None)) is expected


def test_a_state_is_bound_to_the_browser_that_has_its_cookie() -> None:
    """Another cookie, an empty one or none is another browser."""
    cookie, binding = bind(BEGAN)
    assert binding.matches({"x": "1", cookie.name: cookie.value})
    for cookies in ({}, {cookie.name: ""}, {cookie.name: cookie.value + "x"}, {"x": cookie.value}):
        assert not binding.matches(cookies)
    assert cookie.value not in repr(cookie) + repr(binding)


def test_the_oldest_cookies_go_when_there_are_many() -> None:
    """Twelve at most, and other people's are not ours to delete."""
    cookies = {bind(BEGAN + timedelta(seconds=second))[0].name: "v" for second in range(14)}
    expected = sorted(cookies)[:3]
    assert list(surplus({"other": "x", **cookies})) == expected
    assert list(surplus({"other": "x"})) == []


def test_what_is_kept_under_a_state_comes_back_as_it_was() -> None:
    """Through JSON and back."""
    launch = replace(PROVEN, proof="p", ended=1, realm_user="1")
    assert Launch.from_json(launch.to_json()) == launch
    request = AuthorizationRequest("c", "https://k/endpoint", Alias("a"), "s", None, "challenge")
    for purpose in (launch, request):
        trip = Trip(INSTALLATION.id, purpose, BEGAN, "client")
        assert Trip.from_json(trip.to_json()) == trip
    proven = Proven(PERSON, BEGAN, BEGAN + timedelta(seconds=1))
    for each in (proven, replace(proven, realm_user=RealmUser("1", "ana", None, True))):
        assert Proven.from_json(each.to_json()) == each


@pytest.mark.parametrize(
    ("start_url", "expected"),
    [
        ("https://a.example/login", "https://a.example/login?iss=https%3A%2F%2Fk%2Fr"),
        ("https://a.example/login?x=1", "https://a.example/login?x=1&iss=https%3A%2F%2Fk%2Fr"),
        ("https://a.example/login?", "https://a.example/login?iss=https%3A%2F%2Fk%2Fr"),
    ],
)
def test_the_start_url_gets_the_issuer(start_url: str, expected: str) -> None:
    """Appended where a query is there already."""
    assert with_issuer(start_url, "https://k/r") == expected
