"""The realm's keys: caching, and what counts as signed."""

import asyncio
import hmac
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey, RSAKey

from broker.errors import KeycloakError
from broker.realm.keys import REFETCH_AFTER, TTL, KeycloakRealmKeys

NOW = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)
CLAIMS = {"iss": "http://127.0.0.1:1/realms/talkdesk", "sub": "x", "exp": 1}


def rsa(key_id: str) -> RSAKey:
    """A key of this id."""
    return RSAKey.generate_key(2048, {"kid": key_id, "use": "sig", "alg": "RS256"})


OLD, NEW = rsa("old"), rsa("new")


def signed(key: RSAKey, **header: Any) -> str:
    """The claims, signed."""
    return jwt.encode({"alg": "RS256", "kid": key.kid} | header, CLAIMS, key, algorithms=["RS256"])


def encoded(part: bytes) -> str:
    """Base64url, as in a token."""
    return urlsafe_b64encode(part).rstrip(b"=").decode()


class Realm:
    """Gives its keys, and counts how often it was asked."""

    def __init__(self) -> None:
        """With the old key."""
        self.keys: list[Any] = [OLD]
        self.status = 200
        self.fetches = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        assert request.url.path == "/realms/talkdesk/protocol/openid-connect/certs"
        self.fetches += 1
        return httpx.Response(self.status, json={"keys": [key.as_dict(private=False) for key in self.keys]})


@pytest.fixture
def realm() -> Realm:
    """The realm that is asked."""
    return Realm()


@pytest.fixture
async def keys(realm: Realm) -> AsyncIterator[KeycloakRealmKeys]:
    """The keys under test."""
    async with httpx.AsyncClient(transport=httpx.MockTransport(realm)) as client:
        yield KeycloakRealmKeys("http://127.0.0.1:1", "talkdesk", client)


async def test_claims_of_a_signed_token_are_given_as_they_are(keys: KeycloakRealmKeys) -> None:
    """Also of one that has expired: lifetime is the caller's to check."""
    assert await keys.verify(signed(OLD), NOW) == CLAIMS


async def test_many_at_once_fetch_once(keys: KeycloakRealmKeys, realm: Realm) -> None:
    """Twenty that come together share one fetch, and the next ones need none."""
    await asyncio.gather(*(keys.verify(signed(OLD), NOW) for _ in range(20)))
    await keys.verify(signed(OLD), NOW + TTL / 2)

    assert realm.fetches == 1


async def test_keys_are_fetched_again_when_they_are_old(keys: KeycloakRealmKeys, realm: Realm) -> None:
    """A key that left the realm is believed no longer than the cache lives."""
    await keys.verify(signed(OLD), NOW)
    realm.keys = [NEW]

    await keys.verify(signed(OLD), NOW + TTL - timedelta(seconds=1))
    with pytest.raises(ValueError, match="no key"):
        await keys.verify(signed(OLD), NOW + TTL)


async def test_an_unknown_key_is_looked_for_at_once(keys: KeycloakRealmKeys, realm: Realm) -> None:
    """Keycloak rotated its keys: the first token of the new one is taken."""
    await keys.verify(signed(OLD), NOW)
    realm.keys = [NEW, OLD]

    assert await keys.verify(signed(NEW), NOW + REFETCH_AFTER) == CLAIMS


async def test_made_up_key_ids_do_not_flood_keycloak(keys: KeycloakRealmKeys, realm: Realm) -> None:
    """However many ask for unknown keys, there is one fetch in a few seconds."""
    for _ in range(50):
        with pytest.raises(ValueError, match="no key"):
            await keys.verify(signed(NEW), NOW)

    assert realm.fetches == 1


async def test_the_last_good_keys_go_on_when_keycloak_is_away(keys: KeycloakRealmKeys, realm: Realm) -> None:
    """A restart of Keycloak invalidates nothing."""
    await keys.verify(signed(OLD), NOW)
    realm.status = 503

    assert await keys.verify(signed(OLD), NOW + 2 * TTL) == CLAIMS


@pytest.mark.parametrize("key", [OLD, NEW])
async def test_without_any_keys_it_is_an_error_of_keycloak(keys: KeycloakRealmKeys, realm: Realm, key: RSAKey) -> None:
    """Nobody can say whether the token is good, so it is not called bad; asked again later, it is."""
    realm.status = 503
    with pytest.raises(KeycloakError) as caught:
        await keys.verify(signed(key), NOW)
    assert (caught.value.status, caught.value.is_final) == (503, False)

    realm.status, realm.keys = 200, [OLD, NEW]
    assert await keys.verify(signed(key), NOW + REFETCH_AFTER) == CLAIMS


async def test_an_answer_that_is_no_jwks_is_an_error_of_keycloak(keys: KeycloakRealmKeys) -> None:
    """A proxy's page is not a key set."""

    async def page(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, html="<h1>Welcome</h1>")

    async with httpx.AsyncClient(transport=httpx.MockTransport(page)) as client:
        with pytest.raises(KeycloakError):
            await KeycloakRealmKeys("http://127.0.0.1:1", "talkdesk", client).verify(signed(OLD), NOW)


async def test_another_key_of_the_same_id_signs_nothing(keys: KeycloakRealmKeys) -> None:
    """The id chooses the key, the signature decides."""
    with pytest.raises(ValueError, match="did not sign"):
        await keys.verify(signed(rsa("old")), NOW)


async def test_the_public_key_as_a_shared_secret_signs_nothing(keys: KeycloakRealmKeys) -> None:
    """Algorithm confusion: HS256 with the text of the public key."""
    unsigned = ".".join(encoded(part) for part in (b'{"alg": "HS256", "kid": "old"}', b"{}"))
    signature = hmac.digest(OLD.as_pem(private=False), unsigned.encode(), "sha256")

    with pytest.raises(ValueError, match="did not sign"):
        await keys.verify(f"{unsigned}.{encoded(signature)}", NOW)


async def test_an_encryption_key_of_the_realm_signs_nothing(keys: KeycloakRealmKeys, realm: Realm) -> None:
    """Keycloak publishes keys for other uses in the same set."""
    other = RSAKey.generate_key(2048, {"kid": "enc", "use": "enc", "alg": "RSA-OAEP"})
    realm.keys = [OLD, other, ECKey.generate_key("P-256", {"kid": "ec", "use": "sig"})]
    forged = jwt.encode(
        {"alg": "RS256", "kid": "enc"},
        CLAIMS,
        RSAKey.import_key(other.as_dict(private=True) | {"use": "sig", "alg": "RS256"}),
    )

    with pytest.raises(ValueError, match="no key"):
        await keys.verify(forged, NOW)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b.c",
        "é.é.é",
        "eyJhbGciOiJub25lIn0.e30.",
        "eyJhbGciOiJub25lIiwia2lkIjoib2xkIn0.e30.",
        "eyJhbGciOiJSUzI1NiIsImtpZCI6MX0.e30.AA",
        "W10.e30.AA",
        "x" * 100_000,
    ],
)
async def test_anything_else_is_no_token(keys: KeycloakRealmKeys, token: str) -> None:
    """Garbage, `none`, no key id, an endless one: ValueError, nothing else."""
    with pytest.raises(ValueError, match=r".+"):
        await keys.verify(token, NOW)


async def test_a_payload_that_is_no_object_is_no_token(keys: KeycloakRealmKeys) -> None:
    """Signed, but not claims."""
    token = jws.serialize_compact({"alg": "RS256", "kid": "old"}, b"[1]", OLD, algorithms=["RS256"])

    with pytest.raises(ValueError, match="did not sign"):
        await keys.verify(token, NOW)
