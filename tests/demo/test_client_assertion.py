"""The token endpoint refuses every client assertion that the documentation does not allow."""

import base64
import json
from typing import Any

import pytest

from demo.talkdesk import ACME, GLOBEX, StandIn
from tests.demo.partner import Partner
from tests.times import SecondsFromNow, told_now

APPS = {"grant_type": "client_credentials", "scope": "apps:write"}


@pytest.fixture(autouse=True)
async def installed(talkdesk: StandIn, partner: Partner) -> None:
    await talkdesk.install(ACME, talkdesk.app("Wallboard"))


async def test_documented_assertion_is_accepted(partner: Partner) -> None:
    """kid, alg, iss = sub = client id, aud, jti, iat and five minutes of life are enough."""
    answer = await partner.token_request(**APPS)
    assert (answer.status_code, answer.json()["scope"]) == (200, "apps:write")


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"aud": "https://example.com/token"}, "aud"),
        ({"aud": None}, "aud"),
        ({"sub": "somebody else"}, "sub"),
        ({"iss": "somebody else"}, "no such client"),
        ({"iss": None}, "iss"),
        ({"jti": None}, "jti"),
        ({"jti": ""}, "jti"),
        ({"exp": None}, "exp"),
        ({"iat": None}, "iat"),
        ({"exp": SecondsFromNow(-1)}, "expired"),
        ({"exp": SecondsFromNow(900)}, "5 minutes"),
        ({"iat": SecondsFromNow(120)}, "future"),
        ({"exp": "tomorrow"}, "exp"),
    ],
)
async def test_wrong_claims(partner: Partner, claims: dict[str, Any], reason: str) -> None:
    """One wrong or missing claim is 401, and the description names it."""
    answer = await partner.token_request(assertion=partner.assertion(**told_now(claims)), **APPS)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert reason in answer.json()["error_description"]


async def test_audience_is_compared_exactly(partner: Partner) -> None:
    """A slash at the end, or a list, is not the token endpoint's URL."""
    for audience in (partner.token_url + "/", [partner.token_url]):
        answer = await partner.token_request(assertion=partner.assertion(aud=audience), **APPS)
        assert answer.status_code == 401


async def test_jti_is_for_one_use(partner: Partner) -> None:
    """The same assertion a second time is refused."""
    assertion = partner.assertion()
    assert (await partner.token_request(assertion=assertion, **APPS)).status_code == 200
    answer = await partner.token_request(assertion=assertion, **APPS)
    assert (answer.status_code, answer.json()["error_description"]) == (401, "jti was used before")


async def test_wrong_kid(partner: Partner) -> None:
    """The header must name this installation's key."""
    answer = await partner.token_request(assertion=partner.assertion(header={"kid": "another"}), **APPS)
    assert (answer.status_code, "kid" in answer.json()["error_description"]) == (401, True)


async def test_key_of_another_installation(talkdesk: StandIn, partner: Partner) -> None:
    """A signature by the key of another app in the same account is worth nothing here."""
    mine = partner.installed
    await talkdesk.install(ACME, talkdesk.app("Notes"))
    forged = partner.assertion(
        header={"kid": mine.data["key_id"]}, iss=mine.data["client_id"], sub=mine.data["client_id"]
    )
    answer = await partner.token_request(assertion=forged, **APPS)
    assert (answer.status_code, answer.json()["error_description"]) == (401, "the signature is wrong")


@pytest.mark.parametrize("algorithm", ["none", "HS256", "ES384"])
async def test_other_algorithm(partner: Partner, algorithm: str) -> None:
    """Only the installation's own key_algorithm counts, whatever the header says."""
    header = json.dumps({"alg": algorithm, "kid": partner.installed.data["key_id"]}).encode()
    _, payload, signature = partner.assertion().split(".")
    forged = f"{base64.urlsafe_b64encode(header).rstrip(b'=').decode()}.{payload}.{signature}"
    answer = await partner.token_request(assertion=forged, **APPS)
    assert (answer.status_code, "alg" in answer.json()["error_description"]) == (401, True)


async def test_client_of_another_account(talkdesk: StandIn, partner: Partner) -> None:
    """Each account has its own token endpoint; the clients of others are unknown there."""
    acme = partner.installed
    await talkdesk.install(GLOBEX, talkdesk.app("Wallboard"))
    globex_url = partner.installed.link("token")
    answer = await partner.client.post(
        globex_url,
        data={
            **APPS,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": partner.assertion(of=acme, aud=globex_url),
        },
    )
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_listed_app_may_not_use_its_secret(partner: Partner) -> None:
    """HTTP Basic works, but not for a listed app."""
    data = partner.installed.data
    answer = await partner.client.post(partner.token_url, data=APPS, auth=(data["client_id"], data["client_secret"]))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_no_authentication_and_two_at_once(partner: Partner) -> None:
    """None is 401, two at once is a bad request."""
    assert (await partner.client.post(partner.token_url, data=APPS)).status_code == 401
    answer = await partner.client.post(
        partner.token_url, data=APPS | {"client_assertion": partner.assertion()}, auth=("a", "b")
    )
    assert answer.json()["error"] == "invalid_request"


async def test_wrong_assertion_type(partner: Partner) -> None:
    """The assertion's type must be the one for JWTs."""
    answer = await partner.token_request(client_assertion_type="urn:example", **APPS)
    assert answer.status_code == 401


@pytest.mark.parametrize("scope", ["", "openid", "apps:write admin"])
async def test_scope_of_client_credentials(partner: Partner, scope: str) -> None:
    """Client credentials are for the Apps API only."""
    answer = await partner.token_request(grant_type="client_credentials", scope=scope)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")
