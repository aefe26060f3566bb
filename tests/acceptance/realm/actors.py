"""Who takes part in the tests of the realm: an app, its browser's journey, and a provider in the broker's place."""

import base64
import hashlib
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from broker.converge.desired import desired_mapper
from broker.model.names import Alias, InstallationId
from demo.browser import Browser, Page
from demo.http_client import http_client
from tests.acceptance.keycloak_server import RunningKeycloak
from tests.acceptance.realm.openid_provider import OpenIdProvider

Json = dict[str, Any]

ANA: Json = {
    "sub": "talkdesk-acme-ana",
    "preferred_username": "talkdesk-acme-ana",
    "given_name": "Ana",
    "family_name": "Silva",
    "talkdesk_account_id": "acme",
    "talkdesk_account_name": "Acme, Inc.",
    "talkdesk_user_id": "ana",
    "talkdesk_apps": '["wallboard", "notes"]',
    "talkdesk_email": "ana@acme.example",
    "talkdesk_email_verified": "true",
    "talkdesk_sign_on": "sign-on-1",
}


@dataclass
class App:
    """A client of the realm, and a launch as it would start one."""

    client_id: str
    secret: str
    redirect_uri: str = "http://127.0.0.1:9/callback"
    verifier: str = "a-code-verifier-of-at-least-forty-three-characters"

    def auth_url(self, keycloak: RunningKeycloak, **changes: str) -> str:
        """Where the browser goes."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "response_type": "code",
            "scope": "openid",
            "state": "a-state",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        return f"{keycloak.realm_url}/protocol/openid-connect/auth?{urlencode(query | changes)}"

    async def claims(self, keycloak: RunningKeycloak, code: str) -> Json:
        """Claims of the ID token for that code, its signature checked."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.verifier,
            "client_id": self.client_id,
            "client_secret": self.secret,
        }
        endpoint = f"{keycloak.realm_url}/protocol/openid-connect"
        async with http_client() as client:
            answer = (await client.post(f"{endpoint}/token", data=form)).raise_for_status().json()
            keys = KeySet.import_key_set((await client.get(f"{endpoint}/certs")).json())
        return dict(jwt.decode(answer["id_token"], keys, algorithms=["RS256"]).claims)


@dataclass
class Desk:
    """The provider in the broker's place, and its identity providers in the realm."""

    provider: OpenIdProvider
    service_account: httpx.AsyncClient
    installation: InstallationId

    @property
    def alias(self) -> Alias:
        """Of the identity provider that is there from the start."""
        return self.provider.alias(self.installation)

    async def add(self, installation: InstallationId) -> None:
        """One more identity provider, as the broker makes it."""
        representation = self.provider.identity_provider(installation)
        mapper = desired_mapper(representation["alias"])
        path = "identity-provider/instances"
        (await self.service_account.post(path, json=representation)).raise_for_status()
        (await self.service_account.post(f"{path}/{representation['alias']}/mappers", json=mapper)).raise_for_status()
        self.provider.person["talkdesk_installation_id"] = installation

    async def change(self, **changes: object) -> None:
        """Change the one that is there from the start."""
        representation = self.provider.identity_provider(self.installation) | changes
        (
            await self.service_account.put(f"identity-provider/instances/{self.alias}", json=representation)
        ).raise_for_status()

    async def remove_all(self) -> None:
        """What this desk added."""
        for each in (await self.service_account.get("identity-provider/instances", params={"max": 1000})).json():
            if each["config"]["issuer"].startswith(self.provider.server.url):
                (await self.service_account.delete(f"identity-provider/instances/{each['alias']}")).raise_for_status()


@dataclass
class LocalUser:
    """A user whom an administrator has made in the console, with a password and an address."""

    name: str
    password: str
    admin: httpx.AsyncClient

    @property
    def email(self) -> str:
        """Theirs, and nobody else's so far."""
        return f"{self.name}@acme.example"

    async def id(self) -> str:
        """Keycloak's id of them, which apps see as `sub`."""
        (user,) = (await self.admin.get("users", params={"username": self.name, "exact": True})).json()
        return str(user["id"])

    async def links(self) -> list[Json]:
        """Identity providers that can sign this user on."""
        links: list[Json] = (await self.admin.get(f"users/{await self.id()}/federated-identity")).json()
        return links


async def sign_on(browser: Browser, url: str) -> str:
    """Follow `url` to the app, where nobody listens; the code that the browser brings."""
    with pytest.raises(httpx.ConnectError) as refused:
        await browser.open(url)
    query = parse_qs(urlsplit(str(refused.value.request.url)).query)
    assert "code" in query, query
    return query["code"][0]


def assert_is_open_from_talkdesk(page: Page) -> None:
    """The page that says to open the app from Talkdesk, with no way in but that."""
    assert page.status == 401
    assert "<h1>Open this app from Talkdesk</h1>" in page.text
    assert_asks_for_nothing(page)
    assert "/launch/resume" in page.text


def assert_asks_for_nothing(page: Page) -> None:
    """Nothing on the page can be filled in or runs."""
    for forbidden in ("<form", "<input", "<script"):
        assert forbidden not in page.text


async def launch_client(keycloak: RunningKeycloak) -> App:
    """`talkdesk-launch`, with its one redirect URI: wherever an earlier test has pointed it."""
    async with keycloak.admin() as admin:
        (launch,) = (await admin.get("clients", params={"clientId": "talkdesk-launch"})).raise_for_status().json()
    (redirect_uri,) = launch["redirectUris"]
    assert redirect_uri.endswith("/launch/return")
    return App("talkdesk-launch", keycloak.launch_secret, redirect_uri=redirect_uri)
