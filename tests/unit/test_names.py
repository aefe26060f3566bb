"""Names that other systems rely on."""

import re

from hypothesis import given
from hypothesis import strategies as st

from broker.model.names import AccountId, InstallationId, TalkdeskUserId, alias_of, client_id_of, slug_of, username_of

IDS = st.text(min_size=1, max_size=255)


def test_a_plain_id_is_its_own_name() -> None:
    """Talkdesk's own ids stay readable everywhere."""
    slug = slug_of(InstallationId("4400ebd85fa04322abf5b64de93dc913"))
    assert slug == "4400ebd85fa04322abf5b64de93dc913"
    assert alias_of(slug, 1) == "talkdesk-4400ebd85fa04322abf5b64de93dc913"
    assert alias_of(slug, 2) == "talkdesk-4400ebd85fa04322abf5b64de93dc913-2"
    assert client_id_of(slug) == "talkdesk-4400ebd85fa04322abf5b64de93dc913"
    assert username_of(AccountId("5e8d"), TalkdeskUserId("5734")) == "talkdesk-5e8d-5734"


@given(IDS)
def test_every_name_is_safe_in_an_alias(installation: str) -> None:
    """Whatever the id is, its alias keeps to characters that Keycloak's URLs bear."""
    alias = alias_of(slug_of(InstallationId(installation)), 12)
    assert re.fullmatch(r"talkdesk-[a-z0-9-]{1,70}", alias)


@given(IDS, IDS)
def test_two_installations_never_share_a_name(one: str, other: str) -> None:
    """Different ids have different names, also where only case differs."""
    assert (slug_of(InstallationId(one)) == slug_of(InstallationId(other))) == (one == other)


@given(st.tuples(IDS, IDS), st.tuples(IDS, IDS))
def test_two_people_never_share_a_username(one: tuple[str, str], other: tuple[str, str]) -> None:
    """Keycloak lower-cases usernames; two pairs of ids stay two people all the same."""
    names = [username_of(AccountId(account), TalkdeskUserId(user)).lower() for account, user in (one, other)]
    assert (names[0] == names[1]) == (one == other)


def test_a_separator_in_an_id_makes_nobody_somebody_else() -> None:
    """`a-b` + `c` and `a` + `b-c` are two people; so are ids that differ in case."""
    pairs = [("a-b", "c"), ("a", "b-c"), ("A", "b"), ("a", "B"), ("a", "b"), ("1:a", "b")]
    assert len({username_of(AccountId(account), TalkdeskUserId(user)) for account, user in pairs}) == len(pairs)


def test_every_username_passes_the_guard_of_the_first_login_flow() -> None:
    """The realm links only to users whose name matches `talkdesk-.+`."""
    for account, user in (("5e8d", "5734"), ("Ä", "x y")):
        name = username_of(AccountId(account), TalkdeskUserId(user))
        assert re.fullmatch("talkdesk-.+", name)
        assert len(name) < 255
