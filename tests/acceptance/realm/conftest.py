"""Who takes part in the tests of the realm."""

import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import httpx
import pytest

from broker.model.names import InstallationId
from demo.browser import Browser
from demo.http_client import http_client
from tests.acceptance.keycloak_server import AdminToken, RunningKeycloak, realm_with_values
from tests.acceptance.realm.actors import ANA, App, Desk, LocalUser
from tests.acceptance.realm.openid_provider import OpenIdProvider


@pytest.fixture
async def admin(keycloak: RunningKeycloak) -> AsyncIterator[httpx.AsyncClient]:
    """The admin API of the realm, as the administrator."""
    async with keycloak.admin() as client:
        yield client


@pytest.fixture
async def anybody(keycloak: RunningKeycloak) -> AsyncIterator[httpx.AsyncClient]:
    """A client without cookies or credentials, relative to the realm."""
    async with http_client() as client:
        client.base_url = httpx.URL(f"{keycloak.realm_url}/")
        yield client


@pytest.fixture
async def service_account(keycloak: RunningKeycloak, anybody: httpx.AsyncClient) -> AsyncIterator[httpx.AsyncClient]:
    """The admin API as the broker's service account."""
    form = {
        "grant_type": "client_credentials",
        "client_id": "talkdesk-broker",
        "client_secret": keycloak.broker_secret,
    }
    token = (await anybody.post("protocol/openid-connect/token", data=form)).raise_for_status().json()["access_token"]
    async with http_client() as client:
        client.base_url = httpx.URL(f"{keycloak.admin_url}/")
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


@pytest.fixture
async def app(admin: httpx.AsyncClient) -> AsyncIterator[App]:
    """An app that an administrator adds: a confidential client with nothing said about scopes."""
    app = App(f"app-{uuid.uuid4().hex}", "secret-of-the-app")
    client = {"clientId": app.client_id, "secret": app.secret, "redirectUris": [app.redirect_uri]}
    location = (await admin.post("clients", json=client)).raise_for_status().headers["Location"]
    yield app
    (await admin.delete(location)).raise_for_status()


@pytest.fixture
async def visitor() -> AsyncIterator[Browser]:
    """A browser that has been nowhere, and stays on a page that would go on by itself: the broker is not there."""
    async with Browser(longest_refresh_seconds=-1) as browser:
        yield browser


@pytest.fixture
async def desk(service_account: httpx.AsyncClient) -> AsyncIterator[Desk]:
    """An OpenID provider in the broker's place, known to the realm through the broker's own service account."""
    async with OpenIdProvider(person=dict(ANA)) as provider:
        desk = Desk(provider, service_account, InstallationId(uuid.uuid4().hex))
        await desk.add(desk.installation)
        yield desk
        await desk.remove_all()


@pytest.fixture
async def local_user(admin: httpx.AsyncClient) -> AsyncIterator[LocalUser]:
    """A user that did not come from Talkdesk."""
    user = LocalUser(f"local-{uuid.uuid4().hex}", uuid.uuid4().hex, admin)
    credentials = [{"type": "password", "value": user.password, "temporary": False}]
    sent = {"username": user.name, "enabled": True, "email": user.email, "credentials": credentials}
    location = (await admin.post("users", json=sent)).raise_for_status().headers["Location"]
    yield user
    (await admin.delete(location)).raise_for_status()


@pytest.fixture
def admin_api(keycloak: RunningKeycloak) -> Iterator[httpx.Client]:
    """The admin API of all realms."""
    token = AdminToken(keycloak.url, keycloak.admin_username, keycloak.admin_password)
    with httpx.Client(auth=token, timeout=60, trust_env=False, base_url=f"{keycloak.url}/admin/realms/") as client:
        yield client


@pytest.fixture
def imported(keycloak: RunningKeycloak, admin_api: httpx.Client) -> Iterator[RunningKeycloak]:
    """A realm from the file, which no other test has touched."""
    realm = realm_with_values() | {"realm": f"imported-{uuid.uuid4().hex}"}
    admin_api.post("", json=realm).raise_for_status()
    secret_of = {client["clientId"]: client.get("secret", "") for client in realm["clients"]}
    yield replace(
        keycloak,
        realm=realm["realm"],
        broker_secret=secret_of["talkdesk-broker"],
        launch_secret=secret_of["talkdesk-launch"],
    )
    admin_api.delete(realm["realm"]).raise_for_status()


@pytest.fixture
def empty(imported: RunningKeycloak, admin_api: httpx.Client) -> Iterator[RunningKeycloak]:
    """A realm of Keycloak's own making, for a broker with the same secrets."""
    name = f"empty-{uuid.uuid4().hex}"
    admin_api.post("", json={"realm": name, "enabled": True}).raise_for_status()
    yield replace(imported, realm=name)
    admin_api.delete(name).raise_for_status()
