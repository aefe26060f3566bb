"""The fold of an installation's facts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from broker.converge.urgent import urgent
from broker.errors import KeycloakError, TalkdeskError
from broker.model.credentials import Credentials, Links
from broker.model.facts import InstallationFact, Installed, Rotated, TrialChanged, TrialStep, Uninstalled
from broker.model.installation import Closure, Installation, OperatorWord, fold
from broker.model.licences import LicenceWord, is_removed
from broker.model.names import AccountId, AppId, InstallationId

START = datetime(2026, 1, 1, tzinfo=UTC)
ID, APP, ACCOUNT = InstallationId("i1"), AppId("app"), AccountId("acc")
LINKS = Links("https://r.example", "https://a.example", "https://t.example", "https://u.example")


def installed(minute: int, key_id: str = "k1") -> Installed:
    """An install at that minute."""
    credentials = Credentials("client", SecretStr("s"), SecretStr("p"), key_id, "ES256")
    return Installed(ID, APP, ACCOUNT, f"Acme {minute}", credentials, LINKS, START + timedelta(minutes=minute))


def uninstalled(minute: int) -> Uninstalled:
    """An uninstall at that minute."""
    return Uninstalled(ID, APP, ACCOUNT, START + timedelta(minutes=minute))


INSTALLS: st.SearchStrategy[InstallationFact] = st.builds(installed, st.integers(0, 5), st.sampled_from(["k1", "k2"]))
UNINSTALLS: st.SearchStrategy[InstallationFact] = st.builds(uninstalled, st.integers(0, 5))


def test_nothing_is_known_without_facts() -> None:
    """No fact, no installation."""
    assert fold([]) is None


def test_an_old_install_after_its_uninstall_opens_nothing() -> None:
    """The tombstone is newer, whatever came last."""
    state = fold([uninstalled(2), installed(1)])
    assert state is not None
    assert not state.is_active


def test_an_uninstall_of_a_former_installation_leaves_the_new_one_alone() -> None:
    """Installed anew after the uninstall: active, with the new credentials."""
    state = fold([installed(1, "old"), installed(3, "new"), uninstalled(2)])
    assert state is not None
    assert state.is_active
    assert state.credentials is not None
    assert state.credentials.key_id == "new"


def test_at_equal_times_the_uninstall_wins() -> None:
    """A door that is open by mistake is noticed by nobody."""
    facts: list[InstallationFact] = [installed(1), uninstalled(1)]
    for order in (facts, facts[::-1]):
        state = fold(order)
        assert state is not None
        assert not state.is_active


def rotated(minute: int, key_id: str = "r1", *, is_proven: bool = False) -> Rotated:
    """A rotation at that minute."""
    credentials = Credentials(f"client-{key_id}", SecretStr("s"), SecretStr("p"), key_id, "ES256")
    return Rotated(ID, APP, ACCOUNT, credentials, START + timedelta(minutes=minute), is_proven)


def trial(minute: int, step: TrialStep, *, suspends: bool = False) -> TrialChanged:
    """A step of a trial at that minute."""
    time = START + timedelta(minutes=minute)
    return TrialChanged(ID, APP, ACCOUNT, step, time + timedelta(days=14), time, suspends)


def state_of(*facts: InstallationFact, word: OperatorWord | None = None) -> Installation:
    """What these facts fold to."""
    state = fold(facts, word)
    assert state is not None
    return state


def in_use(*facts: InstallationFact) -> str | None:
    """Key id of the set in use."""
    credentials = state_of(*facts).credentials
    return credentials.key_id if credentials else None


def test_a_rotation_alone_is_no_installation() -> None:
    """Without an install there is no token endpoint."""
    assert fold([rotated(1)]) is None


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([installed(1), rotated(2)], "k1"),
        ([installed(1), rotated(2, is_proven=True)], "r1"),
        ([installed(1), rotated(2, is_proven=True), rotated(3, "r2")], "r1"),
        ([installed(1), rotated(2, is_proven=True), rotated(3, "r2", is_proven=True)], "r2"),
        ([installed(1), rotated(1, is_proven=True)], "r1"),
        ([installed(1), rotated(2, is_proven=True), installed(3, "k2")], "k2"),
        ([installed(1), rotated(2, is_proven=True), uninstalled(3), installed(4, "k2")], "k2"),
        ([installed(1), uninstalled(2), rotated(5, is_proven=True), installed(4, "k2")], "r1"),
        ([replace(installed(1), credentials=None), rotated(2, is_proven=True)], "r1"),
        ([replace(installed(1), credentials=None), rotated(2)], None),
    ],
)
def test_the_newest_proven_set_of_this_life_is_in_use(facts: list[InstallationFact], expected: str | None) -> None:
    """A set of an install needs no proof; one of a former life is worth nothing."""
    assert in_use(*facts) == expected
    assert in_use(*facts[::-1]) == expected


def test_a_set_that_two_events_bring_is_one_set() -> None:
    """Proven once, it is proven."""
    state = state_of(installed(1), rotated(2, is_proven=True), rotated(3))
    assert [each.credentials.key_id for each in state.credential_sets] == ["r1", "k1"]
    assert state.credentials is not None
    assert state.credentials.key_id == "r1"


def test_a_later_event_can_not_move_the_token_endpoint() -> None:
    """Only a new life has new links."""
    moved = replace(installed(2, "k2"), links=replace(LINKS, token="https://elsewhere.example"))
    assert state_of(installed(1), moved).links == LINKS
    assert state_of(installed(0), uninstalled(1), moved).links == moved.links


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ([trial(2, TrialStep.EXPIRED, suspends=True)], Closure.TRIAL_EXPIRED),
        ([trial(2, TrialStep.EXPIRED)], None),
        ([trial(1, TrialStep.STARTED), trial(2, TrialStep.EXPIRED, suspends=True)], Closure.TRIAL_EXPIRED),
        ([trial(2, TrialStep.EXPIRED, suspends=True), trial(3, TrialStep.EXTENDED)], None),
        ([trial(2, TrialStep.EXPIRED, suspends=True), trial(3, TrialStep.UPGRADED)], None),
        ([trial(2, TrialStep.EXPIRED, suspends=True), trial(2, TrialStep.UPGRADED)], Closure.TRIAL_EXPIRED),
        ([trial(2, TrialStep.EXPIRED, suspends=True), trial(3, TrialStep.ENDED)], Closure.TRIAL_EXPIRED),
        ([uninstalled(3), trial(2, TrialStep.EXPIRED, suspends=True)], Closure.UNINSTALLED),
        ([uninstalled(3), installed(4), trial(2, TrialStep.EXPIRED, suspends=True)], None),
    ],
)
def test_what_becomes_of_a_trial(facts: list[InstallationFact], expected: Closure | None) -> None:
    """Expired with the policy to suspend it closes; what goes on, or an upgrade, opens; a new life begins without."""
    assert state_of(installed(1), *facts).closure is expected
    assert state_of(*facts, installed(1)).closure is expected


def test_the_operators_word_stands_above_trials_and_below_an_uninstall() -> None:
    """Suspended is suspended, whatever is paid; resumed opens what had expired before then."""
    expired, upgraded = trial(2, TrialStep.EXPIRED, suspends=True), trial(3, TrialStep.UPGRADED)
    suspended = OperatorWord(suspends=True, at=START + timedelta(minutes=1))
    assert state_of(installed(1), upgraded, word=suspended).closure is Closure.SUSPENDED
    assert state_of(installed(1), expired, word=suspended).closure is Closure.SUSPENDED
    assert state_of(installed(1), uninstalled(5), word=suspended).closure is Closure.UNINSTALLED
    for minute, expected in ((1, Closure.TRIAL_EXPIRED), (2, Closure.TRIAL_EXPIRED), (3, None)):
        resumed = OperatorWord(suspends=False, at=START + timedelta(minutes=minute))
        assert state_of(installed(1), expired, word=resumed).closure is expected


def test_who_is_removed_is_out_until_added_again_in_this_life() -> None:
    """The newest word wins, at equal times the removal; a former life's words are forgotten."""
    removed, added = LicenceWord(is_removed=True, created_at=START), LicenceWord(is_removed=False, created_at=START)
    later = START + timedelta(minutes=1)
    assert not is_removed([], None)
    assert is_removed([removed], None)
    assert is_removed([added, removed], None)
    assert not is_removed([replace(added, created_at=later), removed], None)
    assert is_removed([added, replace(removed, created_at=later)], None)
    assert not is_removed([removed], began_after=START)
    assert is_removed([replace(removed, created_at=later)], began_after=START)


NOW = START + timedelta(days=30)


@pytest.mark.parametrize(
    ("age", "is_alarming", "is_final"),
    [
        (timedelta(), False, False),
        (timedelta(days=6, seconds=-1), False, False),
        (timedelta(days=6), True, False),
        (timedelta(days=7, seconds=-1), True, False),
        (timedelta(days=7), True, True),
    ],
)
@pytest.mark.parametrize("was_final", [False, True])
def test_an_answer_is_tried_until_the_deadline_and_alarms_a_day_before(
    age: timedelta, is_alarming: bool, is_final: bool, was_final: bool
) -> None:
    """Also what Talkdesk refuses: only the deadline is final. Keycloak is tried for ever."""
    error = TalkdeskError("refused", status=403, is_final=was_final, retry_after=timedelta(seconds=9))
    result = urgent(error, NOW - age, NOW)
    assert (result.is_alarming, result.is_final) == (is_alarming, is_final)
    assert (result.status, result.retry_after) == (403, timedelta(seconds=9))
    keycloak = urgent(KeycloakError("down", is_final=was_final), NOW - age, NOW)
    assert (keycloak.is_alarming, keycloak.is_final) == (is_alarming, False)


ROTATIONS: st.SearchStrategy[InstallationFact] = st.builds(
    rotated, st.integers(0, 5), st.sampled_from(["r1", "r2"]), is_proven=st.booleans()
)
TRIALS: st.SearchStrategy[InstallationFact] = st.builds(
    trial, st.integers(0, 5), st.sampled_from(TrialStep), suspends=st.booleans()
)
FACTS = st.lists(INSTALLS | UNINSTALLS | ROTATIONS | TRIALS, max_size=8)


@given(FACTS, st.randoms(use_true_random=False))
def test_the_order_of_arrival_means_nothing(facts: list[InstallationFact], chance: Random) -> None:
    """The same facts in any order, and each of them twice, fold to the same installation."""
    shuffled = [*facts, *facts]
    chance.shuffle(shuffled)
    assert fold(shuffled) == fold(facts)
