"""The realm `talkdesk` on a real Keycloak: how it is imported, that nobody else gets in, what it shows (realm-config/README.md)."""

import re
from urllib.parse import urlencode

import httpx
import pytest

from broker.converge.desired import desired_mapper
from demo.browser import Browser
from tests.acceptance.keycloak_server import RunningKeycloak
from tests.acceptance.realm.actors import (
    App,
    Desk,
    LocalUser,
    assert_asks_for_nothing,
    assert_is_open_from_talkdesk,
    launch_client,
)

BUILT_IN_SCOPES = {
    *("acr", "address", "basic", "email", "microprofile-jwt", "offline_access", "organization", "phone", "profile"),
    *("role_list", "roles", "saml_organization", "service_account", "web-origins", "AuthnContextClassRef"),
}


# --- As imported -----------------------------------------------------------------------------------


async def test_discovery_names_the_realm(keycloak: RunningKeycloak, anybody: httpx.AsyncClient) -> None:
    """The realm answers, and its issuer is its address."""
    document = (await anybody.get(".well-known/openid-configuration")).raise_for_status().json()
    assert document["issuer"] == keycloak.realm_url
    assert document["backchannel_logout_session_supported"] is True


async def test_no_placeholder_is_left(admin: httpx.AsyncClient) -> None:
    """Keycloak put in all that the file leaves open."""
    exported = (await admin.post("partial-export", params={"exportClients": True})).raise_for_status().text
    assert "${BROKER" not in exported
    for language in ("en", "es", "pt"):
        assert (await admin.get(f"localization/{language}")).json()["talkdeskResumeUrl"].startswith("http")


async def test_built_in_scopes_are_all_there(admin: httpx.AsyncClient) -> None:
    """An import with scopes of its own leaves out all others, unless it brings them."""
    assert {scope["name"] for scope in (await admin.get("client-scopes")).json()} == BUILT_IN_SCOPES | {"talkdesk"}


async def test_a_new_client_gets_our_scope(admin: httpx.AsyncClient, app: App) -> None:
    """An administrator who adds an app has nothing to think of."""
    (client,) = (await admin.get("clients", params={"clientId": app.client_id})).json()
    expected = {"talkdesk", "basic", "acr", "profile", "email", "roles", "web-origins"}
    assert set(client["defaultClientScopes"]) == expected


# --- No other way in -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"kc_idp_hint": "talkdesk-nobody"},
        {"prompt": "login"},
        {"login_hint": "ana"},
        {"kc_action": "UPDATE_PASSWORD"},
        {"acr_values": "2"},
    ],
    ids=str,
)
async def test_without_session_there_is_only_our_page(
    keycloak: RunningKeycloak, app: App, visitor: Browser, asked: dict[str, str]
) -> None:
    """Whatever an app asks for: no password form, but the page that says where to go."""
    assert_is_open_from_talkdesk(await visitor.open(app.auth_url(keycloak, **asked)))


async def test_an_error_from_upstream_ends_on_our_page(
    keycloak: RunningKeycloak, app: App, visitor: Browser, desk: Desk
) -> None:
    """Keycloak takes the sign-on up again after an error; with the hint it must neither loop nor ask for a password."""
    desk.provider.error = "access_denied"
    page = await visitor.open(app.auth_url(keycloak, kc_idp_hint=desk.alias))
    assert_is_open_from_talkdesk(page)
    assert page.longest_chain <= 4


async def test_a_closed_identity_provider_ends_on_our_page(
    keycloak: RunningKeycloak, app: App, visitor: Browser, desk: Desk
) -> None:
    """A hint for an identity provider that is disabled leads to nothing else."""
    await desk.change(enabled=False)
    assert_is_open_from_talkdesk(await visitor.open(app.auth_url(keycloak, kc_idp_hint=desk.alias)))


async def test_who_came_by_an_app_goes_on_and_a_launch_stays(
    keycloak: RunningKeycloak, app: App, visitor: Browser
) -> None:
    """By itself, to the broker; a launch that ended here would come back, and so go round for ever."""
    page = await visitor.open(app.auth_url(keycloak))
    assert f'<meta http-equiv="refresh" content="0;url={await resume_url(keycloak)}">' in page.text
    launch = await launch_client(keycloak)
    page = await visitor.open(launch.auth_url(keycloak, kc_idp_hint="talkdesk-nobody"))
    assert_is_open_from_talkdesk(page)
    assert 'http-equiv="refresh"' not in page.text


async def resume_url(keycloak: RunningKeycloak) -> str:
    """Where the realm says that the broker is."""
    async with keycloak.admin() as admin:
        return str((await admin.get("localization/en")).json()["talkdeskResumeUrl"])


HEADINGS = {
    "en": "Open this app from Talkdesk",
    "es": "Abra esta aplicación desde Talkdesk",
    "pt": "Abra esta aplicação a partir do Talkdesk",
}


@pytest.mark.parametrize(("asked", "language"), [("en", "en"), ("pt-BR,pt;q=0.9", "pt"), ("es-MX", "es"), ("de", "en")])
async def test_the_page_is_in_the_browsers_language(
    keycloak: RunningKeycloak, app: App, anybody: httpx.AsyncClient, asked: str, language: str
) -> None:
    """As the broker's own pages are, and it knows the broker's address in each."""
    page = await anybody.get(app.auth_url(keycloak), headers={"Accept-Language": asked})
    assert f'<html lang="{language}">' in page.text
    assert f"<h1>{HEADINGS[language]}</h1>" in page.text
    assert "/launch/resume" in page.text


@pytest.mark.parametrize("action", ["reset-credentials", "registration", "authenticate", "required-action"])
async def test_keycloaks_own_actions_are_closed(
    keycloak: RunningKeycloak, app: App, visitor: Browser, action: str
) -> None:
    """Neither a reset of a password nor a registration, however the browser gets there."""
    await visitor.open(app.auth_url(keycloak))
    page = await visitor.open(f"{keycloak.realm_url}/login-actions/{action}?client_id={app.client_id}&tab_id=x")
    assert page.status >= 400 or "Open this app" in page.text
    assert_asks_for_nothing(page)


async def test_nobody_registers(keycloak: RunningKeycloak, app: App, visitor: Browser) -> None:
    """An app that asks for a registration (`prompt=create`) gets an error page."""
    page = await visitor.open(app.auth_url(keycloak, prompt="create"))
    assert page.status == 400
    assert_asks_for_nothing(page)


async def test_a_right_password_is_refused(
    admin: httpx.AsyncClient, anybody: httpx.AsyncClient, app: App, local_user: LocalUser
) -> None:
    """The direct grant lets nobody in, not even where a client may use it."""
    (client,) = (await admin.get("clients", params={"clientId": app.client_id})).json()
    change = {"clientId": app.client_id, "directAccessGrantsEnabled": True}
    (await admin.put(f"clients/{client['id']}", json=change)).raise_for_status()
    form = {"grant_type": "password", "username": local_user.name, "password": local_user.password}
    answer = await anybody.post("protocol/openid-connect/token", data=form, auth=(app.client_id, app.secret))
    assert answer.status_code == 401
    assert "access_token" not in answer.text


async def test_there_is_no_account_console(anybody: httpx.AsyncClient) -> None:
    """The account console offers no sign-in, and its API answers nobody."""
    console = await anybody.get("account/", follow_redirects=True)
    assert console.status_code >= 400 or "account-console" not in console.text
    assert (await anybody.get("account/", headers={"Accept": "application/json"})).status_code in (401, 403, 404)


async def test_nobody_registers_a_client(anybody: httpx.AsyncClient) -> None:
    """Dynamic registration stays as guarded as in a realm of Keycloak's own making."""
    answer = await anybody.post(
        "clients-registrations/openid-connect", json={"redirect_uris": ["https://evil.example/"]}
    )
    assert answer.status_code == 403


async def test_launches_need_pkce(keycloak: RunningKeycloak, anybody: httpx.AsyncClient) -> None:
    """`talkdesk-launch` may not leave out the proof key."""
    launch = await launch_client(keycloak)
    answer = await anybody.get(launch.auth_url(keycloak, code_challenge="", code_challenge_method=""))
    assert answer.status_code == 302
    assert "error=invalid_request" in answer.headers["Location"]


async def test_launches_return_to_the_broker_only(keycloak: RunningKeycloak, anybody: httpx.AsyncClient) -> None:
    """Any other redirect URI gets an error page, not a redirect."""
    launch = await launch_client(keycloak)
    url = launch.auth_url(keycloak, redirect_uri=launch.redirect_uri + "/more")
    assert (await anybody.get(url)).status_code == 400


# --- The service account ---------------------------------------------------------------------------


async def test_the_service_account_manages_identity_providers(service_account: httpx.AsyncClient, desk: Desk) -> None:
    """Create, read, replace and delete, mappers too; GET gives back what was sent, and a little of its own."""
    path = f"identity-provider/instances/{desk.alias}"
    sent = desk.provider.identity_provider(desk.installation)
    found = (await service_account.get(path)).raise_for_status().json()
    assert found["config"] == sent["config"]
    assert {name: found[name] for name in sent} == sent
    (mapper,) = (await service_account.get(f"{path}/mappers")).raise_for_status().json()
    sent_mapper = desired_mapper(desk.provider.alias(desk.installation))
    assert {name: mapper[name] for name in sent_mapper} == sent_mapper
    (await service_account.put(path, json=sent | {"displayName": "Another"})).raise_for_status()
    (
        await service_account.put(f"{path}/mappers/{mapper['id']}", json=sent_mapper | {"id": mapper["id"]})
    ).raise_for_status()
    assert (await service_account.get(path)).json()["displayName"] == "Another"
    (await service_account.delete(path)).raise_for_status()
    assert (await service_account.get(path)).status_code == 404


@pytest.mark.parametrize("path", ["users", "clients", "groups", "events", "components", "authentication/flows"])
async def test_the_service_account_reads_nothing_else(service_account: httpx.AsyncClient, path: str) -> None:
    """What the broker's secret opens, if it is stolen, is the identity providers (and the names of roles, to any administrator)."""
    assert (await service_account.get(path)).status_code == 403


async def test_the_service_account_changes_nothing_else(service_account: httpx.AsyncClient) -> None:
    """Nor does it write: no user, no client, no realm."""
    assert (await service_account.post("users", json={"username": "mallory"})).status_code == 403
    assert (await service_account.post("clients", json={"clientId": "mallory"})).status_code == 403
    assert (await service_account.put("", json={"registrationAllowed": True})).status_code == 403


# --- Pages ---------------------------------------------------------------------------------------------


async def test_pages_are_strict(keycloak: RunningKeycloak, app: App, visitor: Browser) -> None:
    """No script, nothing from elsewhere, not framable by others, not stored."""
    page = await visitor.open(app.auth_url(keycloak))
    assert "default-src &#39;none&#39;" in page.text or "default-src 'none'" in page.text
    assert "frame-ancestors 'self'" in page.headers["Content-Security-Policy"]
    assert page.headers["Referrer-Policy"] == "no-referrer"
    assert "no-store" in page.headers["Cache-Control"]
    assert all(path.startswith("/resources/") for path in re.findall(r'<link[^>]* href="([^"]+)"', page.text))


async def test_what_comes_from_outside_is_escaped(
    keycloak: RunningKeycloak, admin: httpx.AsyncClient, visitor: Browser
) -> None:
    """Text of an attacker's on an error page is text."""
    attack = "<img src=x onerror=alert(1)>"
    page = await visitor.open(f"{keycloak.realm_url}/protocol/openid-connect/auth?{urlencode({'client_id': attack})}")
    assert page.status == 400
    assert "<h1>That did not work</h1>" in page.text
    assert "<img" not in page.text
    page = await visitor.open(f"{keycloak.realm_url}/broker/x/endpoint?{urlencode({'error': attack, 'state': attack})}")
    assert page.status >= 400
    assert "<img" not in page.text


async def test_every_resource_of_a_page_is_there(keycloak: RunningKeycloak, app: App, visitor: Browser) -> None:
    """The style sheet and the icon that a page names are served."""
    page = await visitor.open(app.auth_url(keycloak))
    paths = re.findall(r'<link[^>]* href="([^"]+)"', page.text)
    assert len(paths) == 2
    for path in paths:
        assert (await visitor.open(keycloak.url + path)).status == 200
