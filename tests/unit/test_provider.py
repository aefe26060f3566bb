"""The issuer's parts: discovery, client authentication, who a person is."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from broker.errors import OAuthError
from broker.issuer.id_token import Notes, id_token_claims
from broker.issuer.identifier import Issuers
from broker.model.names import AccountId, Slug, TalkdeskUserId
from broker.model.sign_on import Person
from broker.ports import Json
from broker.provider.client_auth import ASSERTION_TYPE, ClientAuthentication
from broker.provider.discovery import CLAIMS, discovery_document
from broker.provider.person import UnknownPerson, resolve
from broker.storage.stores import Stores
from tests.golden_json import assert_golden
from tests.stores import opened_stores
from tests.unit.test_tokens import INSTALLATION, SIGN_ON

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CLIENT = "talkdesk-4400ebd8"
ISSUERS = Issuers("https://broker.example", "http://broker:8000")
AUDIENCES = (ISSUERS.token_endpoint(Slug("4400ebd8")), ISSUERS.identifier(Slug("4400ebd8")))


def test_the_discovery_document_is_exactly_this() -> None:
    """Golden: what it says is what the code does."""
    assert_golden("discovery", discovery_document(ISSUERS, Slug("4400ebd8")))


def test_every_claim_of_the_id_token_is_in_the_discovery_document() -> None:
    """`claims_supported` names what is sent, no more and no less."""
    claims = id_token_claims(
        SIGN_ON, INSTALLATION, Notes("Acme", [], email_verified=True), issuer="i", client_id="c", nonce="n", now=NOW
    )
    assert set(CLAIMS) == set(claims)


class Realm:
    """A realm's key, as it signs and as it is checked; the real check of the network's side is judged elsewhere."""

    def __init__(self) -> None:
        """A new key."""
        self.key = RSAKey.generate_key(2048)

    async def verify(self, token: str, now: datetime) -> Json:
        """Claims of a token of this realm."""
        try:
            return jwt.decode(token, self.key, algorithms=["RS256"]).claims
        except (JoseError, ValueError) as error:
            raise ValueError(type(error).__name__) from None

    def assertion(self, **changed: Any) -> dict[str, str]:
        """Form of a token request with an assertion; None takes a claim away."""
        claims = {
            "iss": CLIENT,
            "sub": CLIENT,
            "aud": AUDIENCES[0],
            "jti": "j1",
            "iat": int(NOW.timestamp()),
            "exp": int(NOW.timestamp()) + 60,
            **changed,
        }
        token = jwt.encode({"alg": "RS256"}, {name: v for name, v in claims.items() if v is not None}, self.key)
        return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": token}


@pytest.fixture(scope="module")
def realm() -> Realm:
    """One key for all."""
    return Realm()


async def authenticate(stores: Stores, realm: Realm, form: dict[str, str], now: datetime = NOW) -> None:
    """One authentication."""
    await ClientAuthentication(realm, stores.one_time_values).authenticate(
        form, client_id=CLIENT, audiences=AUDIENCES, now=now
    )


@pytest.mark.parametrize("audience", AUDIENCES)
async def test_keycloaks_assertion_is_taken(tmp_path: Path, realm: Realm, audience: str) -> None:
    """For the token endpoint or the issuer."""
    async with opened_stores(tmp_path) as stores:
        await authenticate(stores, realm, realm.assertion(aud=audience))


TIME = NOW.timestamp()


@pytest.mark.parametrize(
    "changed",
    [
        {"iss": "talkdesk-other"},
        {"sub": "talkdesk-other"},
        {"aud": "https://elsewhere.example"},
        {"aud": list(AUDIENCES)},
        {"aud": [AUDIENCES[0], "https://elsewhere.example"]},
        {"aud": None},
        {"exp": int(TIME) - 11},
        {"exp": int(TIME) + 3600},
        {"exp": None},
        {"exp": "soon"},
        {"exp": True},
        {"exp": 1e300},
        {"nbf": int(TIME) + 60},
        {"jti": None},
        {"jti": ""},
        {"jti": 5},
    ],
)
async def test_any_other_assertion_is_refused(tmp_path: Path, realm: Realm, changed: dict[str, Any]) -> None:
    """A table of claims that are wrong: `invalid_client`, 401."""
    async with opened_stores(tmp_path) as stores:
        with pytest.raises(OAuthError) as refused:
            await authenticate(stores, realm, realm.assertion(**changed))
    assert (refused.value.reason, refused.value.status) == ("invalid_client", 401)


@pytest.mark.parametrize(
    "change",
    [
        lambda form: form.pop("client_assertion"),
        lambda form: form.pop("client_assertion_type"),
        lambda form: form.update(client_assertion_type="urn:other"),
        lambda form: form.update(client_id="talkdesk-other"),
        lambda form: form.update(client_assertion=form["client_assertion"][:-4] + "AAAA"),
        lambda form: form.update(client_assertion="eyJhbGciOiJub25lIn0.e30."),
    ],
)
async def test_a_request_that_is_not_signed_by_the_realm_is_refused(
    tmp_path: Path, realm: Realm, change: Callable[[dict[str, str]], Any]
) -> None:
    """No check is a failure, not a pass."""
    form = realm.assertion()
    change(form)
    async with opened_stores(tmp_path) as stores:
        with pytest.raises(OAuthError):
            await authenticate(stores, realm, form)


async def test_an_assertion_works_once(tmp_path: Path, realm: Realm) -> None:
    """Its jti is remembered for as long as it could be sent again."""
    form = realm.assertion()
    async with opened_stores(tmp_path) as stores:
        await authenticate(stores, realm, form)
        with pytest.raises(OAuthError, match="used before"):
            await authenticate(stores, realm, form, NOW + timedelta(seconds=69))
        await authenticate(stores, realm, realm.assertion(jti="j2"))


ACCOUNT = AccountId("5e8d")


@pytest.mark.parametrize(
    ("userinfo", "user"),
    [
        ({"id": "u1", "sub": "s1"}, "u1"),
        ({"id": 17, "sub": "s1"}, "17"),
        ({"_links": {"self": {"href": "https://api.example/users/u2"}}, "sub": "s1"}, "u2"),
        ({"_links": {"self": {"href": "https://api.example/users/u2/?x=1"}}}, "u2"),
        ({"_links": {"self": "https://api.example/users/u2"}}, "u2"),
        ({"sub": "s1"}, "s1"),
        ({"id": "", "sub": "s1"}, "s1"),
        ({"id": None, "_links": None, "sub": "s1"}, "s1"),
        ({"id": {"x": 1}, "_links": {"self": {"href": 5}}, "sub": "s1"}, "s1"),
    ],
)
async def test_the_user_id_is_found_wherever_talkdesk_puts_it(tmp_path: Path, userinfo: Json, user: str) -> None:
    """`id`, else the end of `_links.self`, else `sub`."""
    async with opened_stores(tmp_path) as stores:
        assert (await resolve(ACCOUNT, userinfo, stores.accounts)).user == user


@pytest.mark.parametrize("userinfo", [{}, {"sub": ""}, {"sub": "a\nb"}, {"sub": "x" * 256}, {"id": True}])
async def test_nobody_is_nobody(tmp_path: Path, userinfo: Json) -> None:
    """Userinfo without a usable id stops the sign-on."""
    async with opened_stores(tmp_path) as stores:
        with pytest.raises(UnknownPerson):
            await resolve(ACCOUNT, userinfo, stores.accounts)


async def test_an_account_keeps_the_field_that_named_its_first_user(tmp_path: Path) -> None:
    """A field that Talkdesk adds later renames nobody; one that it takes away lets nobody in under another name."""
    async with opened_stores(tmp_path) as stores:
        await resolve(ACCOUNT, {"sub": "s1"}, stores.accounts)
        assert (await resolve(ACCOUNT, {"id": "u1", "sub": "s1"}, stores.accounts)).user == "s1"
        assert (await resolve(AccountId("new"), {"id": "u1", "sub": "s1"}, stores.accounts)).user == "u1"
        with pytest.raises(UnknownPerson, match="has no id"):
            await resolve(AccountId("new"), {"sub": "s1"}, stores.accounts)


async def test_name_and_email_are_cleaned(tmp_path: Path) -> None:
    """No control characters reach a note; what is absurd is left out."""
    async with opened_stores(tmp_path) as stores:
        person = await resolve(
            ACCOUNT, {"sub": "s1", "name": "Ana\n Sousa\x00", "email": "x" * 300 + "@a.example"}, stores.accounts
        )
        assert person == Person(ACCOUNT, TalkdeskUserId("s1"), "Ana Sousa", None)
