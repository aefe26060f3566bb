"""A verified body, read: what is taken, what is kept, and that no body whatever raises."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from broker.events.signature import VerifiedBody
from broker.model.credentials import Credentials, Links
from broker.model.event import EventKey, EventState
from broker.model.facts import Installed, LicencesChanged, LoggedOut, Rotated, TrialChanged, TrialStep, Uninstalled
from broker.model.names import AccountId, AppId, EventId, InstallationId, TalkdeskUserId
from tests.unit.event_samples import (
    ACCOUNT,
    APP,
    CREDENTIALS,
    EVENT,
    INSTALLATION,
    PARSER,
    ROOT,
    USER,
    body_of,
    event,
    installed,
    parse,
    uninstalled,
    user_logout,
)

CREATED_AT = datetime(2017, 8, 18, 10, 29, 52, tzinfo=UTC)
IDENTITY = "https://acme.talkdeskid.com/oauth"


def test_app_installed_states_an_installation() -> None:
    """Everything that the installation was given is in the fact."""
    parsed = parse(installed())
    assert parsed.event.state is EventState.TAKEN
    assert parsed.event.key == EventKey(EventId(EVENT), AppId(APP), "app.installed", InstallationId(INSTALLATION))
    assert parsed.facts == (
        Installed(
            InstallationId(INSTALLATION),
            AppId(APP),
            AccountId(ACCOUNT),
            "Acme",
            Credentials("client-1", SecretStr("the client secret"), SecretStr("the private key"), "key-1", "ES256"),
            Links(ROOT, f"{IDENTITY}/authorize", f"{IDENTITY}/token", f"{ROOT}/userinfo"),
            CREATED_AT,
        ),
    )


def test_app_uninstalled_states_a_tombstone() -> None:
    """It needs no more than who and when."""
    parsed = parse(uninstalled())
    assert parsed.event.state is EventState.TAKEN
    assert parsed.facts == (Uninstalled(InstallationId(INSTALLATION), AppId(APP), AccountId(ACCOUNT), CREATED_AT),)


def test_user_logout_states_who_is_out_since_when() -> None:
    """The e-mail is kept, for accounts whose user ids don't fit."""
    parsed = parse(user_logout())
    assert parsed.event.state is EventState.TAKEN
    assert parsed.facts == (
        LoggedOut(
            InstallationId(INSTALLATION), AccountId(ACCOUNT), TalkdeskUserId(USER), "ana@example.com", CREATED_AT
        ),
    )


def test_user_logout_without_an_address_is_taken() -> None:
    """The user id is what counts."""
    content = user_logout()
    del content["data"]["user_email"]
    (fact,) = parse(content).facts
    assert isinstance(fact, LoggedOut)
    assert fact.email is None


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2017-08-18T10:29:52Z", CREATED_AT),
        ("2017-08-18T10:29:52.000Z", CREATED_AT),
        ("2017-08-18T10:29:52+00:00", CREATED_AT),
        ("2017-08-18T10:29:52.000+00:00", CREATED_AT),
        ("2017-08-18T05:29:52-05:00", CREATED_AT),
        ("2017-08-18T10:29:52+0000", CREATED_AT),
        ("2017-08-18T10:29:52.678Z", CREATED_AT.replace(microsecond=678000)),
        ("2017-08-18T10:29:52.678999Z", CREATED_AT.replace(microsecond=678000)),
        ("2017-08-18T10:29:52.678999999Z", CREATED_AT.replace(microsecond=678000)),
    ],
)
def test_every_form_of_created_at_is_the_same_instant(text: str, instant: datetime) -> None:
    """UTC, in whole milliseconds."""
    assert parse(user_logout() | {"created_at": text}).event.created_at == instant


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        1503052192,
        "2017-08-18T10:29:52",
        "2017-08-18",
        "2017-08-18 10:29:52Z",
        "2017-W33-5T10:29:52Z",
        "2017-02-30T10:29:52Z",
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
        "2017-08-18T10:29:52Z\n",
        "٢٠١٧-08-18T10:29:52Z",
    ],
)
def test_a_time_that_is_none_makes_the_event_unreadable(value: Any) -> None:
    """Without a zone, or no time at all: what state it leads to would be a guess."""
    assert parse(user_logout() | {"created_at": value}).event.state is EventState.UNREADABLE


@pytest.mark.parametrize(
    ("names", "event_id"),
    [
        ({"id": "one"}, "one"),
        ({"event_id": "two"}, "two"),
        ({"id": "one", "event_id": "two"}, "two"),
        ({"id": "one", "event_id": None}, "one"),
    ],
)
def test_event_id_is_read_before_id(names: dict[str, Any], event_id: str) -> None:
    """Some pages of the documentation call it one, some the other."""
    content = user_logout()
    del content["id"]
    assert parse(content | names).event.key.event == event_id


@pytest.mark.parametrize(
    "names",
    [{"type": "user.logout"}, {"event_type": "user.logout"}, {"type": "user.logout", "event_type": "something else"}],
)
def test_type_is_read_before_event_type(names: dict[str, str]) -> None:
    """Likewise."""
    content = user_logout()
    del content["type"]
    parsed = parse(content | names)
    assert parsed.event.key.type == "user.logout"
    assert parsed.event.state is EventState.TAKEN


@pytest.mark.parametrize("name", ["token", "tokens"])
def test_the_token_link_may_have_either_name(name: str) -> None:
    """Its exact key is not documented."""
    content = installed()
    content["_links"][name] = content["_links"].pop("token")
    (fact,) = parse(content).facts
    assert isinstance(fact, Installed)
    assert fact.links.token == f"{IDENTITY}/token"


OWNER = (InstallationId(INSTALLATION), AppId(APP), AccountId(ACCOUNT))
OF_IT = {"installation_id": INSTALLATION, "account_id": ACCOUNT}


def test_app_updated_states_who_came_and_went() -> None:
    """The subscription asks for nothing."""
    users = {"adding": ["u1"], "removing": ["u2", "u3"]}
    parsed = parse(event("app.updated", OF_IT | {"users": users, "subscription": {"adding": {"name": "Pro"}}}))
    assert parsed.facts == (
        LicencesChanged(
            *OWNER, frozenset({TalkdeskUserId("u1")}), frozenset(map(TalkdeskUserId, ("u2", "u3"))), CREATED_AT
        ),
    )


@pytest.mark.parametrize("data", [{}, {"users": {}}, {"users": None}, {"users": {"adding": []}}])
def test_an_update_without_people_is_owed_an_answer_all_the_same(data: dict[str, Any]) -> None:
    """Each part is there only if it changed."""
    assert parse(event("app.updated", OF_IT | data)).facts == (
        LicencesChanged(*OWNER, frozenset(), frozenset(), CREATED_AT),
    )


@pytest.mark.parametrize(
    "users", ["u1", [], {"removing": "u1"}, {"removing": [1]}, {"removing": ["u1", ""]}, {"adding": [None]}]
)
def test_an_update_whose_people_can_not_be_read_is_kept(users: Any) -> None:
    """Half a list would leave somebody in who was removed."""
    assert parse(event("app.updated", OF_IT | {"users": users})).event.state is EventState.UNREADABLE


def test_rotated_credentials_state_a_set_and_no_links() -> None:
    """Links that come with it are not looked at: the token endpoint is fixed at the install."""
    content = event("app.credentials_rotated", OF_IT | CREDENTIALS, {"token": "https://evil.example/token"})
    [fact] = parse(content).facts
    assert isinstance(fact, Rotated)
    assert fact.credentials is not None
    assert (fact.credentials.client_id, fact.is_proven, fact.created_at) == ("client-1", False, CREATED_AT)


EXPIRES = {"expires_at": "2017-09-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("kind", "more", "step"),
    [
        ("app.trial_started", {}, TrialStep.STARTED),
        ("app.trial_extended", {}, TrialStep.EXTENDED),
        ("app.trial_ended", {"ended_reason": "trial_expired"}, TrialStep.EXPIRED),
        ("app.trial_ended", {"ended_reason": "plan_upgraded"}, TrialStep.UPGRADED),
        ("app.trial_ended", {"ended_reason": "app_uninstalled"}, TrialStep.ENDED),
        ("app.trial_ended", {"ended_reason": "anything new"}, TrialStep.ENDED),
        ("app.trial_ended", {}, TrialStep.ENDED),
    ],
)
def test_a_trial_states_its_step(kind: str, more: dict[str, Any], step: TrialStep) -> None:
    """An end that nobody explains closes nothing."""
    expires_at = datetime(2017, 9, 1, tzinfo=UTC)
    assert parse(event(kind, OF_IT | EXPIRES | more)).facts == (TrialChanged(*OWNER, step, expires_at, CREATED_AT),)


@pytest.mark.parametrize(
    ("reason", "app", "suspends"),
    [("trial_expired", APP, True), ("trial_expired", "another", False), ("plan_upgraded", APP, False)],
)
def test_the_policy_is_part_of_the_fact(reason: str, app: str, suspends: bool) -> None:
    """For the app that has it, and for an expiry only."""
    parser = replace(PARSER, suspending={AppId(app)})
    body = body_of(event("app.trial_ended", OF_IT | EXPIRES | {"ended_reason": reason}))
    [fact] = parser.parse(VerifiedBody(body)).facts
    assert isinstance(fact, TrialChanged)
    assert fact.suspends is suspends


def test_a_trial_without_an_end_is_kept_but_an_end_without_a_date_is_an_end() -> None:
    """When it would have expired matters to nobody any more."""
    assert parse(event("app.trial_started", OF_IT)).event.state is EventState.UNREADABLE
    assert parse(event("app.trial_ended", OF_IT)).event.state is EventState.TAKEN


def test_an_unknown_type_is_kept_with_what_can_be_read() -> None:
    """Neither account nor installation nor time has to be there."""
    parsed = parse({"id": EVENT, "type": "app.new_thing", "app_id": APP})
    assert parsed.event.state is EventState.UNKNOWN_TYPE
    assert (parsed.event.key.event, parsed.event.key.installation, parsed.event.account) == (EVENT, None, None)


def without(*path: str) -> dict[str, Any]:
    """`app.installed` without that field."""
    content = part = installed()
    for name in path[:-1]:
        part = part[name]
    del part[path[-1]]
    return content


NEEDED = [
    ("id",),
    ("type",),
    ("app_id",),
    ("created_at",),
    ("data",),
    ("data", "installation_id"),
    ("data", "account_id"),
    *(("data", name) for name in CREDENTIALS if name != "public_key"),
    ("_links", "root"),
    ("_links", "authorization"),
    ("_links", "token"),
    ("_links", "userinfo"),
    ("_links", "token", "href"),
]


@pytest.mark.parametrize("path", NEEDED, ids=".".join)
def test_an_install_without_a_needed_field_is_unreadable(path: tuple[str, ...]) -> None:
    """It is kept whole under the hash of its body, and states nothing."""
    parsed = parse(without(*path))
    assert parsed.event.state is EventState.UNREADABLE
    assert parsed.event.key.event.startswith("sha256:")
    assert parsed.event.body == body_of(without(*path))
    assert parsed.facts == ()
    assert parsed.problem is not None
    assert {"data": "installation_id", "href": "token"}.get(path[-1], path[-1]) in parsed.problem


@pytest.mark.parametrize("value", [None, "", 7, True, [], {}, "a\x00b", "a\nb", "\ud800", "x" * 256, "a\u2028b"])
@pytest.mark.parametrize("name", ["installation_id", "account_id", "client_id", "key_id"])
def test_an_identifier_is_short_and_printable(name: str, value: Any) -> None:
    """Control characters would get into logs, half characters into no database."""
    content = installed()
    content["data"][name] = value
    assert parse(content).event.state is EventState.UNREADABLE


@pytest.mark.parametrize("name", ["root", "authorization", "token", "userinfo"])
def test_a_link_off_the_allow_list_makes_an_install_unreadable(name: str) -> None:
    """It is kept for when the list is right; nothing of it is used."""
    content = installed()
    content["_links"][name]["href"] = "https://evil.example/"
    parsed = parse(content)
    assert parsed.event.state is EventState.UNREADABLE
    assert parsed.problem == "evil: not a listed host over https"


@pytest.mark.parametrize("algorithm", ["RS256", "HS256", "none", "es256", "EdDSA"])
def test_an_undocumented_algorithm_makes_an_install_unreadable(algorithm: str) -> None:
    """Nothing is ever signed with what the documentation does not name."""
    content = installed()
    content["data"]["key_algorithm"] = algorithm
    assert parse(content).event.state is EventState.UNREADABLE


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Acme", "Acme"),
        ("  Acme \n\t Inc. ", "Acme Inc."),
        ("A\u202ecme", "A cme"),
        ("\ud800", ACCOUNT),
        ("", ACCOUNT),
        (None, ACCOUNT),
        (7, ACCOUNT),
        ("x" * 300, "x" * 200),
    ],
)
def test_an_account_name_is_made_fit_to_be_shown(name: Any, shown: str) -> None:
    """A customer's administrator chooses it; it never stops an install."""
    content = installed()
    content["data"]["account_name"] = name
    (fact,) = parse(content).facts
    assert isinstance(fact, Installed)
    assert fact.account_name == shown


def with_more(name: str, value: bytes) -> bytes:
    """`user.logout`, which could be read but for one more member."""
    return b'{"%s": %s, ' % (name.encode(), value) + body_of(user_logout())[1:]


HOSTILE = {
    "empty": b"",
    "no JSON": b"hello",
    "no object": b"[1, 2]",
    "null": b"null",
    "deep lists": with_more("x", b"[" * 120_000 + b"]" * 120_000),
    "deep objects": with_more("x", b'{"a":' * 40_000 + b"1" + b"}" * 40_000),
    "deep and cut off": b"[" * 250_000,
    "NaN": with_more("x", b"NaN"),
    "Infinity": with_more("x", b"-Infinity"),
    "a number without end": with_more("x", b"9" * 200_000),
    "UTF-16": json.dumps(user_logout()).encode("utf-16"),
    "byte order mark": b"\xef\xbb\xbf" + body_of(user_logout()),
    "not UTF-8": with_more("x", b'"\xff"'),
    "cut off": body_of(user_logout())[:-1],
    "more behind": body_of(user_logout()) + b"{}",
    "app_id twice": with_more("app_id", b'"another"'),
    "type twice": with_more("type", b'"another"'),
    "the same twice further in": with_more("x", b'{"a": 1, "a": 1}'),
    "data is a list": body_of(user_logout() | {"data": [1]}),
    "links are text": body_of(installed() | {"_links": "x"}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_body_is_unreadable_and_nothing_else(name: str) -> None:
    """Signed or not: it is answered calmly, and kept as it came."""
    parsed = parse(HOSTILE[name])
    assert parsed.event.state is EventState.UNREADABLE
    assert parsed.event.body == HOSTILE[name]
    assert parsed.facts == ()


@pytest.mark.parametrize("value", [b"1", b"-0.0", b"1e999999", b'{"a": [null]}', b'"\\ud800"'])
def test_members_that_nobody_reads_do_no_harm(value: bytes) -> None:
    """Talkdesk may add what it likes."""
    assert parse(with_more("x", value)).event.state is EventState.TAKEN


def test_an_unreadable_event_still_says_whose_it_is() -> None:
    """So that another vendor's event is refused also where it can't be read."""
    parsed = parse(without("data", "private_key"))
    assert parsed.event.key.app == APP
    assert parsed.event.key.installation == INSTALLATION
    assert parsed.event.account == ACCOUNT
    assert parsed.event.created_at == CREATED_AT


@given(st.binary(max_size=200))
def test_no_bytes_raise(body: bytes) -> None:
    """Anything is an event, readable or not."""
    assert parse(body).event.body == body


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_PATHS = [
    *(("id",), ("type",), ("created_at",), ("app_id",), ("data",), ("_links",)),
    *(("data", "users"), ("data", "ended_reason"), ("data", "expires_at")),
    *NEEDED,
]


def updated() -> dict[str, Any]:
    """`app.updated`."""
    return event("app.updated", OF_IT | {"users": {"adding": ["u1"], "removing": ["u2"]}})


def rotated() -> dict[str, Any]:
    """`app.credentials_rotated`."""
    return event("app.credentials_rotated", OF_IT | CREDENTIALS)


def trial_ended() -> dict[str, Any]:
    """`app.trial_ended`."""
    return event("app.trial_ended", OF_IT | EXPIRES | {"ended_reason": "trial_expired"})


@given(
    st.sampled_from([installed, uninstalled, user_logout, updated, rotated, trial_ended]),
    st.sampled_from(_PATHS),
    _JSON,
)
def test_no_value_anywhere_raises(make: Any, path: tuple[str, ...], value: Any) -> None:
    """Whatever stands in any field, the event is taken with one fact, or kept with none."""
    content = part = make()
    for name in path[:-1]:
        part = part.setdefault(name, {})
    part[path[-1]] = value
    parsed = parse(content)
    assert len(parsed.facts) == (1 if parsed.event.state is EventState.TAKEN else 0)
    assert (parsed.problem is not None) == (parsed.event.state is EventState.UNREADABLE)


@given(st.text(max_size=300))
def test_a_problem_never_quotes_the_body(secret: str) -> None:
    """What is said about an unreadable event goes to the log."""
    marked = f"marker-{secret}"
    for name in ("client_id", "client_secret", "private_key", "key_algorithm"):
        content = installed()
        content["data"][name] = [marked]
        parsed = parse(content)
        assert parsed.problem is not None
        assert "marker-" not in parsed.problem
        assert "marker-" not in repr(parsed)
