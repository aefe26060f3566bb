"""What the relay does not take: OpenID Connect Back-Channel Logout 1.0, section 2.6, asked on the wire."""

import time
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

import httpx
import pytest
from joserfc import jws, jwt
from joserfc.jwk import OctKey, RSAKey

from tests.fakes.keycloak import KeycloakImitation
from tests.scenarios.test_metrics import scrape
from tests.scenarios.test_relay import Records
from tests.waiting import eventually
from tests.world import OpenWorld, World

pytestmark = pytest.mark.thorough

EVENT = "http://schemas.openid.net/event/backchannel-logout"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


WRONG_CLAIMS: Sequence[tuple[dict[str, Any], str]] = [
    ({"iss": "https://elsewhere.example/realms/talkdesk"}, "issuer"),
    ({"iss": None}, "issuer"),
    ({"aud": "notes"}, "audience"),
    ({"aud": ["wallboard", "notes"]}, "audience"),
    ({"aud": None}, "audience"),
    ({"events": None}, "events"),
    ({"events": {}}, "events"),
    ({"events": {EVENT: None}}, "events"),
    ({"events": {"http://schemas.openid.net/event/other": {}}}, "events"),
    ({"events": EVENT}, "events"),
    ({"nonce": "n"}, "nonce"),
    ({"sub": None, "sid": None}, "nobody"),
    ({"sid": ""}, "nobody"),
    ({"sub": 7}, "nobody"),
    ({"exp": None}, "exp"),
    ({"exp": "soon"}, "exp"),
    ({"exp": True}, "exp"),
    ({"exp": 1e30}, "exp"),
    ({"exp": 1_700_000_000}, "expired"),
    ({"exp": 4_000_000_000}, "lifetime"),
    ({"iat": None}, "iat"),
    ({"iat": 4_000_000_000}, "not_yet"),
    ({"jti": None}, "jti"),
    ({"jti": ""}, "jti"),
    ({"jti": "j" * 256}, "jti"),
]
"""What is changed in a good token, and why it is refused then."""


class Signs(Protocol):
    """A realm whose tokens can be made up."""

    @property
    def realm_url(self) -> str: ...

    def sign(self, claims: dict[str, Any]) -> str:
        """A token of the realm's."""
        ...


@pytest.fixture
async def relayed(opened: OpenWorld) -> AsyncIterator[World]:
    """A world in which Keycloak tells the relay, and the relay the apps."""
    async with opened(relayed=True) as world:
        yield world


def claims_of(keycloak: Signs, **changed: Any) -> dict[str, Any]:
    """What Keycloak would sign now; `None` takes a claim out."""
    now = int(time.time())
    claims = {
        "iss": keycloak.realm_url,
        "aud": "wallboard",
        "sub": "somebody",
        "sid": "some-session",
        "iat": now,
        "exp": now + 120,
        "jti": str(uuid.uuid4()),
        "typ": "Logout",
        "events": {EVENT: {}},
    }
    return {name: value for name, value in {**claims, **changed}.items() if value is not None}


async def post(world: World, token: str, slug: str = "wallboard") -> httpx.Response:
    """As Keycloak posts it."""
    async with httpx.AsyncClient(base_url=world.broker.listens_at) as client:
        return await client.post(f"/relay/{slug}", data={"logout_token": token})


@pytest.mark.parametrize(("changed", "reason"), WRONG_CLAIMS)
async def test_a_token_with_wrong_claims_is_refused(
    relayed: World, keycloak: Signs, changed: dict[str, Any], reason: str
) -> None:
    """400, by name; nothing is stored, and no app is called."""
    answer = await post(relayed, keycloak.sign(claims_of(keycloak, **changed)))
    assert (answer.status_code, answer.json()) == (400, {"error": "invalid_request", "error_description": reason})
    assert answer.headers["cache-control"] == "no-store"
    await expect_nothing(relayed)
    assert (await scrape(relayed)).of("relay_refused_total", reason=reason) == 1


async def expect_nothing(world: World) -> None:
    """No record, no call."""
    assert await Records(world).deliveries() == []
    assert [front.tokens for front in world.fronts.values()] == [[], []]


async def test_a_token_that_the_realm_did_not_sign_is_refused(relayed: World, keycloak: Signs) -> None:
    """Wrong algorithm, none at all, another key under the same id, an unknown id, no JWT, a symmetric key made of the public one."""
    claims = claims_of(keycloak)
    good = keycloak.sign(claims)
    kid = jws.extract_compact(good.encode()).headers()["kid"]
    other = RSAKey.generate_key(2048, private=True)
    async with httpx.AsyncClient() as client:
        answer = await client.get(f"{keycloak.realm_url}/protocol/openid-connect/certs")
    head, body, signature = good.split(".")
    secret = OctKey.import_key(answer.content)
    tokens = {
        "none": f"eyJhbGciOiJub25lIiwia2lkIjoiayJ9.{body}.",
        "another algorithm": jwt.encode({"alg": "PS256", "kid": kid}, claims, other, algorithms=["PS256"]),
        "another key": jwt.encode({"alg": "RS256", "kid": kid}, claims, other),
        "an unknown key": jwt.encode({"alg": "RS256", "kid": "unknown"}, claims, other),
        "a symmetric key": jwt.encode({"alg": "HS256", "kid": kid}, claims, secret),
        "another body": f"{head}.{keycloak.sign(claims_of(keycloak, sid='x')).split('.')[1]}.{signature}",
        "no signature": f"{head}.{body}.",
        "no token": "not-a-token",
        "nothing": "x",
    }
    for name, token in tokens.items():
        answer = await post(relayed, token)
        assert (answer.status_code, answer.json()["error_description"]) == (400, "signature"), name
    await expect_nothing(relayed)


async def test_a_token_is_taken_once(relayed: World, keycloak: Signs) -> None:
    """The same again is refused, also when the first is confirmed; nobody is told twice."""
    token = keycloak.sign(claims_of(keycloak))
    assert (await post(relayed, token)).status_code == 200
    again = await post(relayed, token)
    assert (again.status_code, again.json()["error_description"]) == (400, "replayed")
    assert relayed.fronts["wallboard"].tokens == [token]


async def test_a_token_of_one_app_is_nothing_at_anothers_relay(relayed: World, keycloak: Signs) -> None:
    """Nor at one that is not configured."""
    token = keycloak.sign(claims_of(keycloak))
    assert (await post(relayed, token, "notes")).json()["error_description"] == "audience"
    unknown = await post(relayed, token, "unheard")
    assert (unknown.status_code, unknown.json()["error_description"]) == (404, "unknown_relay")
    await expect_nothing(relayed)


@pytest.mark.parametrize(
    ("headers", "content", "status", "reason"),
    [
        (FORM, b"", 400, "no_token"),
        (FORM, b"logout_token=", 400, "no_token"),
        (FORM, b"logout_token=a&logout_token=b", 400, "no_token"),
        (FORM, b"logout_token=%ff%fe\xff", 400, "no_token"),
        (FORM, b"&".join([b"a=b"] * 11), 400, "no_token"),
        (FORM, b"logout_token=" + b"a" * 16 * 1024, 413, "too_big"),
        ({"Content-Type": "application/json"}, b"{}", 400, "no_form"),
        ({}, b"logout_token=a", 400, "no_form"),
    ],
)
async def test_what_is_no_form_with_one_token_is_refused(
    relayed: World, headers: dict[str, str], content: bytes, status: int, reason: str
) -> None:
    """Before anything is verified."""
    async with httpx.AsyncClient(base_url=relayed.broker.listens_at) as client:
        answer = await client.post("/relay/wallboard", content=content, headers=headers)
    assert (answer.status_code, answer.json()["error_description"]) == (status, reason)
    assert answer.headers["connection"] == "close", "Keycloak repeats no POST that met a dead connection"


async def test_without_the_realms_keys_keycloak_hears_that_it_was_not_taken(
    relayed: World, keycloak: KeycloakImitation
) -> None:
    """503, which Keycloak logs; nothing that can't be verified is stored or passed on."""
    token = keycloak.sign(claims_of(keycloak))
    await keycloak.down()
    answer = await post(relayed, token)
    assert (answer.status_code, answer.json()["error_description"]) == (503, "keys_unavailable")
    await expect_nothing(relayed)


async def test_a_token_without_sid_is_delivered_as_it_is(relayed: World, keycloak: Signs) -> None:
    """A client that does not ask for it: the app ends all of that person's sessions."""
    token = keycloak.sign(claims_of(keycloak, sid=None))
    assert (await post(relayed, token)).status_code == 200
    await eventually(lambda: relayed.fronts["wallboard"].tokens == [token], what="the token is delivered")
