"""The imitation of Keycloak: what it signs, and which codes and clients it refuses."""

from datetime import timedelta

import pytest

from demo.browser import Browser
from tests.fakes.keycloak.sign_on import s256
from tests.scenarios.keycloak_imitation.counterparts import (
    Counterparts,
    id_token_claims,
    query_of,
    token_answer,
    verified,
)


async def test_id_token_has_exactly_these_claims(desk: Counterparts, browser: Browser) -> None:
    """Notes of the sign-on are claims, `talkdesk_apps` as an array."""
    claims = await id_token_claims(desk, await desk.launch(browser))

    session = desk.keycloak.sessions()[0]
    for name in ("iat", "exp", "auth_time", "jti"):
        assert claims.pop(name)
    assert claims == {
        "iss": desk.keycloak.realm_url,
        "aud": "wallboard",
        "azp": "wallboard",
        "typ": "ID",
        "sub": session.user.id,
        "sid": session.id,
        "acr": "1",
        "nonce": "a nonce",
        "preferred_username": "talkdesk-acme-ana",
        "name": "Ana Silva",
        "given_name": "Ana",
        "family_name": "Silva",
        "talkdesk_user_id": "ana",
        "talkdesk_apps": ["wallboard"],
    }


async def test_client_assertion_is_the_realms(desk: Counterparts, browser: Browser) -> None:
    """`private_key_jwt` with the realm's key, for the token endpoint, one minute, and the PKCE verifier beside it."""
    await desk.launch(browser)

    (form,) = desk.token_calls
    claims = (await verified(desk, form["client_assertion"])).claims
    assert claims.pop("jti")
    assert claims.pop("exp") - claims.pop("iat") == 60
    assert claims == {"iss": "talkdesk-one", "sub": "talkdesk-one", "aud": f"{desk.issuer}/token"}
    assert form["redirect_uri"] == f"{desk.keycloak.realm_url}/broker/talkdesk-one/endpoint"
    assert len(form["code_verifier"]) >= 43


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code": "another"}, "Code not valid"),
        ({"redirect_uri": "https://other.example"}, "Incorrect redirect_uri"),
        ({"code_verifier": "wrong"}, "PKCE verification failed: Code mismatch"),
        ({"code_verifier": ""}, "PKCE verification failed: Code mismatch"),
        ({"client_secret": "wrong"}, "Invalid client or Invalid client credentials"),
        ({"client_id": "talkdesk-launch", "client_secret": "secret-of-launch"}, "Code not valid"),
        ({"grant_type": "client_credentials"}, "Client not enabled to retrieve service account"),
    ],
)
async def test_token_endpoint_refuses(
    desk: Counterparts, browser: Browser, changes: dict[str, str], error: str
) -> None:
    """A code is bound to its client, its redirect URI and its PKCE challenge; clients have secrets."""
    page = await desk.launch(browser, code_challenge=s256("right"), code_challenge_method="S256")

    answer = await token_answer(desk, page, **{"code_verifier": "right", **changes})

    assert answer.status_code in (400, 401)
    assert answer.json()["error_description"] == error


async def test_code_works_once(desk: Counterparts, browser: Browser) -> None:
    """With the right verifier it is taken, and not a second time."""
    page = await desk.launch(browser, code_challenge=s256("right"), code_challenge_method="S256")

    assert (await token_answer(desk, page, code_verifier="right")).status_code == 200
    assert (await token_answer(desk, page, code_verifier="right")).status_code == 400


async def test_code_lives_a_minute(desk: Counterparts, browser: Browser) -> None:
    """Afterwards it is worth nothing."""
    page = await desk.launch(browser)
    desk.clock.ahead = timedelta(seconds=61)

    assert (await token_answer(desk, page)).json()["error_description"] == "Code not valid"


async def test_redirect_uri_may_be_registered_with_a_star(desk: Counterparts, browser: Browser) -> None:
    """It stands for anything; a query of the redirect URI's own is kept."""
    desk.keycloak.register_app("wild", "secret", (f"{desk.server.url}/app/*",))

    page = await desk.launch(browser, client_id="wild", redirect_uri=f"{desk.redirect_uri}?own=1")

    assert (page.text, query_of(page)["own"], "code" in query_of(page)) == ("in the app", "1", True)


async def test_code_of_an_ended_session_is_refused(desk: Counterparts, browser: Browser) -> None:
    """Signed out between redirect and token call."""
    page = await desk.launch(browser)
    await desk.http.post(desk.backchannel_url, data={"logout_token": desk.logout_token(sid="upstream-1")})

    answer = await token_answer(desk, page)

    assert (answer.status_code, answer.json()["error_description"]) == (400, "Session not active")


async def test_secret_may_come_by_basic_authentication(desk: Counterparts, browser: Browser) -> None:
    """`client_secret_basic`, parts form-encoded (RFC 6749, section 2.3.1); a wrong one is refused."""
    form = {"grant_type": "authorization_code", "redirect_uri": desk.redirect_uri}
    for secret, status in (("wrong", 401), ("app%2Dsecret", 200)):
        form["code"] = query_of(await desk.launch(browser))["code"]
        url = f"{desk.keycloak.realm_url}/protocol/openid-connect/token"
        assert (await desk.http.post(url, data=form, auth=("wallboard", secret))).status_code == status


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_id": "unknown"}, 400, None),
        ({"client_id": "talkdesk-broker"}, 400, None),
        ({"redirect_uri": "https://other.example"}, 400, None),
        ({"response_type": "token"}, 200, "invalid_request"),
        ({"code_challenge": "plain"}, 200, "invalid_request"),
    ],
)
async def test_authorization_endpoint_refuses(
    desk: Counterparts, browser: Browser, changes: dict[str, str], status: int, error: str | None
) -> None:
    """A wrong client or redirect URI is a page, anything else goes back to the client."""
    page = await desk.launch(browser, **changes)

    assert (page.status, query_of(page).get("error")) == (status, error)
