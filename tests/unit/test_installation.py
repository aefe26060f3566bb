"""The fold of an installation's facts."""

from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from broker.model.credentials import Credentials, Links
from broker.model.facts import InstallationFact, Installed, Uninstalled
from broker.model.installation import fold
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
FACTS = st.lists(INSTALLS | UNINSTALLS, max_size=8)


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


@given(FACTS, st.randoms(use_true_random=False))
def test_the_order_of_arrival_means_nothing(facts: list[InstallationFact], chance: Random) -> None:
    """The same facts in any order, and each of them twice, fold to the same installation."""
    shuffled = [*facts, *facts]
    chance.shuffle(shuffled)
    assert fold(shuffled) == fold(facts)
