"""The real Keycloak of the acceptance tests, with our realm in it.

In this order: a server that is named in the environment, Docker, the local files (`keycloak/local_server.py`). None of
them: the tests fail. A server of the environment (`TEST_KEYCLOAK_URL`, `TEST_KEYCLOAK_ADMIN_USERNAME`,
`TEST_KEYCLOAK_ADMIN_PASSWORD`) needs our theme; the realm `talkdesk` is made where it isn't there, and never deleted.
"""

import json
import os
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from sqlalchemy import URL

from broker.converge.merge import writable
from demo.app import DownstreamApp
from demo.http_client import http_client
from demo.keycloak_admin import KeycloakAdmin

if TYPE_CHECKING:
    from local_server import LocalServer

REPOSITORY = Path(__file__).parent.parent.parent
REALM_FILE = REPOSITORY / "realm-config" / "talkdesk-realm.json"
REALM = "talkdesk"

# Where the realm sends launches until a test says otherwise; nobody listens there.
BROKER_URL = "http://127.0.0.1:9"


class AdminToken(httpx.Auth):
    """A fresh token of the administrator for each request: they live for a minute, a run of tests longer."""

    requires_response_body = True

    def __init__(self, url: str, username: str, password: str) -> None:
        self._request = httpx.Request(
            "POST",
            f"{url}/realms/master/protocol/openid-connect/token",
            data={"grant_type": "password", "client_id": "admin-cli", "username": username, "password": password},
        )

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        answer = yield self._request
        answer.raise_for_status()
        request.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield request


@dataclass(frozen=True)
class RunningKeycloak:
    """A Keycloak that answers; it is a `Realm` of `tests.world`."""

    url: str
    admin_username: str
    admin_password: str = field(repr=False)
    broker_secret: str = field(repr=False)
    launch_secret: str = field(repr=False)
    realm: str = REALM

    @property
    def internal_url(self) -> str:
        """Where it listens, which is where the broker calls it."""
        return self.url

    @property
    def realm_url(self) -> str:
        """Our realm, which is its issuer too."""
        return f"{self.url}/realms/{self.realm}"

    @property
    def admin_url(self) -> str:
        """Our realm in the admin API."""
        return f"{self.url}/admin/realms/{self.realm}"

    def admin(self) -> httpx.AsyncClient:
        """The admin API as the administrator, relative to our realm; the caller closes it."""
        client = http_client()
        client.base_url = httpx.URL(f"{self.admin_url}/")
        client.auth = AdminToken(self.url, self.admin_username, self.admin_password)
        return client

    async def is_of(self, version: str) -> bool:
        """Whether it is a release of this version; what differs is listed in docs/realm.md."""
        async with self.admin() as admin:
            info = (await admin.get(f"{self.url}/admin/serverinfo")).raise_for_status().json()
        return str(info["systemInfo"]["version"]).startswith(f"{version}.")

    async def point_to(self, broker_url: str) -> None:
        """Let launches come back to this broker, and who comes without one go there."""
        async with self.admin() as admin:
            (launch,) = (await admin.get("clients", params={"clientId": "talkdesk-launch"})).raise_for_status().json()
            change = {"clientId": "talkdesk-launch", "redirectUris": [f"{broker_url}/launch/return"]}
            (await admin.put(f"clients/{launch['id']}", json=change)).raise_for_status()
            for language in ("en", "es", "pt"):
                path, text = f"localization/{language}/talkdeskResumeUrl", f"{broker_url}/launch/resume"
                headers = {"Content-Type": "text/plain"}
                (await admin.put(path, content=text, headers=headers)).raise_for_status()

    async def register_app(self, app: DownstreamApp, logout_url: str | None = None) -> None:
        """Make the client of an app; Keycloak tells this URL of sign-outs, else the app's own."""
        async with KeycloakAdmin(self.url, self.admin_username, self.admin_password, realm=self.realm) as admin:
            await admin.register(app, backchannel_logout_url=logout_url)

    async def expire_sessions(self) -> None:
        """All sessions are over; Keycloak tells no app of this."""
        async with self.admin() as admin:
            (await admin.post("logout-all")).raise_for_status()

    async def switch(self, alias: str, *, enabled: bool) -> None:
        """As in the console."""
        path = f"identity-provider/instances/{alias}"
        async with self.admin() as admin:
            found = (await admin.get(path)).raise_for_status().json()
            (await admin.put(path, json=writable(found) | {"enabled": enabled})).raise_for_status()

    async def delete_provider(self, alias: str) -> None:
        """As in the console."""
        async with self.admin() as admin:
            (await admin.delete(f"identity-provider/instances/{alias}")).raise_for_status()

    async def delete_mappers(self, alias: str) -> None:
        """As in the console."""
        path = f"identity-provider/instances/{alias}/mappers"
        async with self.admin() as admin:
            for mapper in (await admin.get(path)).raise_for_status().json():
                (await admin.delete(f"{path}/{mapper['id']}")).raise_for_status()


@contextmanager
def running_keycloak() -> Iterator[RunningKeycloak]:
    """The first Keycloak that is to be had."""
    if url := os.environ.get("TEST_KEYCLOAK_URL"):
        yield _given(url.rstrip("/"))
        return
    with local_server() as server:
        yield known_of(server)


def local_server(database: URL | None = None, **given: Any) -> "LocalServer":
    """A server of our own, not started yet; takes what `LocalServer` takes. `database`: an empty one of PostgreSQL that is to be its own."""
    folder = str(REPOSITORY / "keycloak")
    if folder not in sys.path:
        sys.path.append(folder)
    from local_server import LocalServer, Postgresql

    on = database and Postgresql(
        str(database.host),
        database.port or 5432,
        str(database.database),
        str(database.username),
        str(database.password),
    )
    return LocalServer(broker_url=BROKER_URL, postgresql=on, **given)


def known_of(server: "LocalServer") -> RunningKeycloak:
    """A server that was started, as tests know it."""
    return RunningKeycloak(
        url=server.url,
        admin_username=server.admin_username,
        admin_password=server.admin_password,
        broker_secret=server.broker_secret,
        launch_secret=server.launch_secret,
    )


def _given(url: str) -> RunningKeycloak:
    """The server of the environment, with its clients' secrets read from it."""
    username = os.environ["TEST_KEYCLOAK_ADMIN_USERNAME"]
    password = os.environ["TEST_KEYCLOAK_ADMIN_PASSWORD"]
    with httpx.Client(auth=AdminToken(url, username, password), timeout=60, trust_env=False) as admin:
        if admin.get(f"{url}/admin/realms/{REALM}").status_code == 404:
            admin.post(f"{url}/admin/realms", json=realm_with_values()).raise_for_status()
        clients = admin.get(f"{url}/admin/realms/{REALM}/clients").raise_for_status().json()
    secret_of = {client["clientId"]: client.get("secret", "") for client in clients}
    return RunningKeycloak(url, username, password, secret_of["talkdesk-broker"], secret_of["talkdesk-launch"])


def realm_with_values(file: Path = REALM_FILE) -> dict[str, Any]:
    """A realm file with what Keycloak's own import would put in."""
    text = file.read_text()
    for name, value in {
        "BROKER_PUBLIC_URL": BROKER_URL,
        "BROKER_KEYCLOAK_CLIENT_SECRET": os.urandom(16).hex(),
        "BROKER_KEYCLOAK_LAUNCH_CLIENT_SECRET": os.urandom(16).hex(),
    }.items():
        text = text.replace(f"${{{name}}}", value)
    realm: dict[str, Any] = json.loads(text)
    return realm
