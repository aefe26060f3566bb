"""What the relay does not take, with tokens of a real Keycloak's realm: the same words as in the scenarios.

The realm gets one more key, which signs nothing by itself and whose private half the tests have; so a token may be wrong in one thing alone.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from demo.talkdesk import ANA
from tests.acceptance.keycloak_server import AdminToken, RunningKeycloak
from tests.scenarios.test_relay import Records, settled, sign_on_to_both
from tests.scenarios.test_relay_refusals import (
    WRONG_CLAIMS,
    claims_of,
    expect_nothing,
    post,
    relayed,
    test_a_token_is_taken_once,
    test_a_token_of_one_app_is_nothing_at_anothers_relay,
    test_a_token_that_the_realm_did_not_sign_is_refused,
    test_a_token_without_sid_is_delivered_as_it_is,
)
from tests.world import World

__all__ = [
    "relayed",
    "test_a_token_is_taken_once",
    "test_a_token_of_one_app_is_nothing_at_anothers_relay",
    "test_a_token_that_the_realm_did_not_sign_is_refused",
    "test_a_token_without_sid_is_delivered_as_it_is",
]


@dataclass(frozen=True)
class SigningKeycloak(RunningKeycloak):
    """A realm one of whose keys is ours."""

    key: RSAKey = field(kw_only=True, repr=False)
    kid: str = ""

    def sign(self, claims: dict[str, Any]) -> str:
        """As Keycloak signs logout tokens."""
        header = {"alg": "RS256", "kid": self.kid, "typ": "logout+jwt"}
        return jwt.encode(header, claims, self.key, algorithms=["RS256"])


@pytest.fixture(scope="module")
def keycloak(keycloak: RunningKeycloak) -> Iterator[SigningKeycloak]:
    """The realm with one more key, which is passive: it only verifies."""
    key = RSAKey.generate_key(2048, private=True)
    given = {each.name: getattr(keycloak, each.name) for each in dataclasses.fields(keycloak)}
    login = AdminToken(keycloak.url, keycloak.admin_username, keycloak.admin_password)
    with httpx.Client(auth=login, base_url=f"{keycloak.admin_url}/", timeout=60, trust_env=False) as admin:
        realm = admin.get("").raise_for_status().json()
        component = {
            "name": "of the tests",
            "parentId": realm["id"],
            "providerId": "rsa",
            "providerType": "org.keycloak.keys.KeyProvider",
            "config": {
                "privateKey": [key.as_pem(private=True).decode()],
                "priority": ["-1"],
                "enabled": ["true"],
                "active": ["false"],
                "algorithm": ["RS256"],
            },
        }
        made = admin.post("components", json=component).raise_for_status().headers["Location"].rpartition("/")[2]
        (known,) = (each for each in admin.get("keys").json()["keys"] if each["providerId"] == made)
        yield SigningKeycloak(**given, key=key, kid=known["kid"])
        admin.delete(f"components/{made}").raise_for_status()


async def test_every_wrong_claim_is_refused_by_name(relayed: World, keycloak: SigningKeycloak) -> None:
    """Nothing is stored, and no app is called; the same token with nothing changed is taken."""
    for changed, reason in WRONG_CLAIMS:
        answer = await post(relayed, keycloak.sign(claims_of(keycloak, **changed)))
        assert (answer.status_code, answer.json()["error_description"]) == (400, reason), changed
    await expect_nothing(relayed)
    assert (await post(relayed, keycloak.sign(claims_of(keycloak)))).status_code == 200


async def test_keycloaks_own_tokens_are_taken_once_where_they_belong(relayed: World) -> None:
    """Its logout token again, or at another app's relay; its ID token, which the app has: all refused."""
    await sign_on_to_both(relayed)
    id_token = relayed.wallboard.signed_in[0].id_token
    await relayed.talkdesk.user_logout(ANA)
    await settled(relayed, "done")
    [token] = relayed.fronts["wallboard"].tokens
    for sent, slug, reason in (
        (token, "wallboard", "replayed"),
        (token, "notes", "audience"),
        (id_token, "wallboard", "events"),
    ):
        answer = await post(relayed, sent, slug)
        assert (answer.status_code, answer.json()["error_description"]) == (400, reason)
    assert len(await Records(relayed).deliveries()) == 2
