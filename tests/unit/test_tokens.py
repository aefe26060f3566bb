"""Tokens that we sign: their exact claims, and how they are signed."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws, jwt
from joserfc.jwk import KeySet

from broker.issuer.id_token import Notes, id_token_claims, names_of
from broker.issuer.keys import SigningKeys, generate_private_jwk
from broker.issuer.logout_token import EVENT, logout_token_claims
from broker.model.installation import Installation
from broker.model.names import AccountId, Alias, AppId, InstallationId, TalkdeskUserId
from broker.model.realm_user import RealmUser
from broker.model.sign_on import Person, SignOn, SignOnState
from tests.golden_json import assert_golden

NOW = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
INSTALLATION = Installation(
    id=InstallationId("4400ebd8"),
    app=AppId("f918e262"),
    account=AccountId("5e8d6028"),
    account_name="Acme",
    credentials=None,
    links=None,
    changed_at=NOW,
)
PERSON = Person(AccountId("5e8d6028"), TalkdeskUserId("573491d5"), "Ana Maria Sousa", "ana@acme.example")
SIGN_ON = SignOn(
    id="sign-on-1",
    sid="sid-1",
    installation=INSTALLATION.id,
    person=PERSON,
    sub="talkdesk-5e8d6028-573491d5",
    begun_at=NOW,
    asked_at=NOW,
    created_at=NOW,
    state=SignOnState.REDEEMED,
    alias=Alias("talkdesk-4400ebd8"),
)
NOTES = Notes("Acme", [AppId("f918e262"), AppId("aa11")], email_verified=True)


def claims_of(sign_on: SignOn = SIGN_ON, **changed: Any) -> dict[str, Any]:
    """Claims of an ID token."""
    given = {
        "issuer": "https://broker.example/oidc/4400ebd8",
        "client_id": "talkdesk-4400ebd8",
        "nonce": "nonce-1",
        "now": NOW,
    }
    return id_token_claims(sign_on, INSTALLATION, NOTES, **{**given, **changed})


def test_the_id_token_has_exactly_these_claims() -> None:
    """Golden: what Keycloak and the apps rely on."""
    assert_golden("id_token", claims_of())


def test_the_email_claim_is_never_sent() -> None:
    """Keycloak links accounts by e-mail, and a customer's administrator chooses e-mails."""
    assert not {"email", "email_verified"} & set(claims_of())


def test_for_a_user_who_is_there_nothing_is_sent_that_could_be_written_over_his() -> None:
    """Mode existing: his username, and no name; all else is as in mode own."""
    claims = claims_of(realm_user=RealmUser("1", "a.sousa", "a.sousa@company.example", True))
    expected = claims_of() | {"preferred_username": "a.sousa"}
    del expected["given_name"], expected["family_name"]
    assert claims == expected


def test_the_email_claim_is_the_username_of_a_realm_that_has_no_others() -> None:
    """Where usernames are addresses Keycloak finds nobody without; it is Keycloak's own, never Talkdesk's."""
    claims = claims_of(realm_user=RealmUser("1", "a.sousa@company.example", "A.Sousa@company.example", True))
    assert claims["email"] == "A.Sousa@company.example"
    assert "email_verified" not in claims


def test_without_a_nonce_and_an_email_neither_is_in_the_token() -> None:
    """Absent means absent, not empty."""
    claims = claims_of(replace(SIGN_ON, person=replace(PERSON, email=None)), nonce=None)
    assert not {"nonce", "talkdesk_email", "talkdesk_email_verified"} & set(claims)


def test_the_logout_token_of_a_session_has_exactly_these_claims() -> None:
    """Golden, but for the jti, which is new each time."""
    given = {"issuer": "https://broker.example/oidc/4400ebd8", "client_id": "talkdesk-4400ebd8", "now": NOW}
    tokens = [logout_token_claims(sid="sid-1", **given), logout_token_claims(sid="sid-1", **given)]  # type: ignore[arg-type]
    assert tokens[0].pop("jti") != tokens[1].pop("jti")
    assert_golden("logout_token", tokens[0])


def test_a_logout_token_by_person_names_no_session() -> None:
    """With a sid Keycloak would not look at the sub."""
    claims = logout_token_claims(issuer="i", client_id="c", now=NOW, sub="talkdesk-a-b", ends_offline_access=True)
    assert claims["sub"] == "talkdesk-a-b"
    assert "sid" not in claims
    assert claims["events"] == {EVENT: {"revoke_offline_access": True}}


@pytest.mark.parametrize("named", [{}, {"sid": "s", "sub": "p"}])
def test_a_logout_token_names_one_thing(named: dict[str, str]) -> None:
    """Neither nothing nor two things: what is written is what is done."""
    with pytest.raises(ValueError, match="either a session or a person"):
        logout_token_claims(issuer="i", client_id="c", now=NOW, **named)  # type: ignore[arg-type]


def test_a_signature_verifies_with_the_published_keys_only() -> None:
    """The kid is the key's thumbprint, the type is said, and no private part is published."""
    keys = SigningKeys([generate_private_jwk()])
    token = keys.sign({"sub": "x"}, "logout+jwt")
    public = keys.public_set()
    assert [set(key) for key in public["keys"]] == [{"kty", "n", "e", "use", "alg", "kid"}]
    assert jwt.decode(token, KeySet.import_key_set(public), algorithms=["RS256"]).claims == {"sub": "x"}  # type: ignore[arg-type]
    header = jws.extract_compact(token.encode()).headers()
    imported = KeySet.import_key_set(public).keys[0]  # type: ignore[arg-type]
    assert header == {"alg": "RS256", "kid": imported.thumbprint(), "typ": "logout+jwt"}


@pytest.mark.parametrize(
    ("name", "email", "expected"),
    [
        ("Ana Sousa", None, ("Ana", "Sousa")),
        ("Ana Maria de Sousa", None, ("Ana", "Maria de Sousa")),
        ("Ana", None, ("Ana", "-")),
        ("  ", "ana.sousa@acme.example", ("ana.sousa", "-")),
        (None, None, ("Talkdesk", "user")),
        ("<script>alert(1)</script> X", None, ("script", "alert 1 script X")),
        ("$$$", "###@x", ("Talkdesk", "user")),
    ],
)
def test_names_are_what_keycloak_takes(name: str | None, email: str | None, expected: tuple[str, str]) -> None:
    """A table of odd names; none is a question to the agent."""
    assert names_of(name, email) == expected


@given(st.one_of(st.none(), st.text(max_size=400)), st.one_of(st.none(), st.text(max_size=100)))
def test_names_are_never_empty_long_or_refused(name: str | None, email: str | None) -> None:
    """Whatever Talkdesk sends."""
    for part in names_of(name, email):
        assert 0 < len(part) <= 100
        assert not set(part) & set('<>&"$%!#?§;*~/\\|^=[]{}()\n\t\0')
