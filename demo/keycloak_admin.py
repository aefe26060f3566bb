"""Registers the demo's apps as clients of the realm, by Keycloak's admin REST.

That is what an administrator does once for every app: confidential, standard flow, PKCE, back-channel logout with `sid`.
"""

import ssl

from demo.app import DownstreamApp
from demo.http_client import http_client


class KeycloakAdmin:
    """The administrator's account, used for nothing but the clients of one realm."""

    def __init__(
        self,
        url: str,
        username: str,
        password: str,
        *,
        realm: str = "talkdesk",
        admin_realm: str = "master",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._realm_url = f"{url}/admin/realms/{realm}"
        self._token_url = f"{url}/realms/{admin_realm}/protocol/openid-connect/token"
        self._username = username
        self._password = password
        self._client = http_client(tls=tls)

    async def __aenter__(self) -> "KeycloakAdmin":
        answer = await self._client.post(
            self._token_url,
            data={
                "grant_type": "password",
                "client_id": "admin-cli",
                "username": self._username,
                "password": self._password,
            },
        )
        answer.raise_for_status()
        self._client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._client.aclose()

    async def register(self, app: DownstreamApp, *, backchannel_logout_url: str | None = None) -> None:
        """Make the app's client, or give an existing one these settings.

        `backchannel_logout_url` is the app's own unless a relay stands in between.
        """
        client = client_representation(app, backchannel_logout_url or app.backchannel_logout_url)
        found = await self._client.get(f"{self._realm_url}/clients", params={"clientId": app.client_id})
        found.raise_for_status()
        if existing := found.json():
            answer = await self._client.put(f"{self._realm_url}/clients/{existing[0]['id']}", json=client)
        else:
            answer = await self._client.post(f"{self._realm_url}/clients", json=client)
        answer.raise_for_status()

    async def identity_provider_aliases(self) -> list[str]:
        """Enabled identity providers of the realm."""
        answer = await self._client.get(f"{self._realm_url}/identity-provider/instances")
        answer.raise_for_status()
        return [each["alias"] for each in answer.json() if each["enabled"]]


def client_representation(app: DownstreamApp, backchannel_logout_url: str) -> dict[str, object]:
    return {
        "clientId": app.client_id,
        "name": app.name,
        "secret": app.client_secret,
        "protocol": "openid-connect",
        "publicClient": False,
        "standardFlowEnabled": True,
        "implicitFlowEnabled": False,
        "directAccessGrantsEnabled": False,
        "serviceAccountsEnabled": False,
        "frontchannelLogout": False,
        "redirectUris": [app.redirect_uri],
        "webOrigins": [],
        "protocolMappers": [
            {
                # By which identity provider this session came in: the app sends it as a hint the next morning.
                "name": "identity_provider",
                "protocol": "openid-connect",
                "protocolMapper": "oidc-usersessionmodel-note-mapper",
                "config": {
                    "user.session.note": "identity_provider",
                    "claim.name": "identity_provider",
                    "jsonType.label": "String",
                    "id.token.claim": "true",
                    "access.token.claim": "false",
                },
            }
        ],
        "attributes": {
            "pkce.code.challenge.method": "S256",
            "post.logout.redirect.uris": f"{app.url}/",
            "backchannel.logout.url": backchannel_logout_url,
            "backchannel.logout.session.required": "true",
        },
    }
