"""Keycloak's back-channel logout endpoint (port `LogoutEndpoint`; OpenID Connect Back-Channel Logout 1.0, section 2.5).

Owns: the request. Leaves to others: the logout token, and what the status means. No authentication: the token is signed.
"""

import httpx

from broker.errors import KeycloakError
from broker.outbound import fetch
from broker.realm.connection import path_part

# Keycloak answers after it has told every app, one after the other, and waits five seconds for one that hangs. Given up
# earlier, the logout would still go on there, and be repeated by us.
_WITHIN_S = 60.0


class KeycloakLogoutEndpoint:
    """The real one."""

    def __init__(self, base_url: str, realm: str, client: httpx.AsyncClient) -> None:
        """`base_url` is how the broker reaches Keycloak; `client` is closed by whoever made it."""
        self._url = f"{base_url}/realms/{path_part(realm)}/protocol/openid-connect/logout/backchannel-logout"
        self._client = client

    async def post(self, logout_token: str) -> int:
        """HTTP status of Keycloak's answer. Raises KeycloakError where none came."""
        timeout = httpx.Timeout(_WITHIN_S, connect=3.0)
        request = self._client.build_request("POST", self._url, data={"logout_token": logout_token}, timeout=timeout)
        try:
            answer = await fetch(self._client, request, within_s=_WITHIN_S)
        except httpx.HTTPError as error:
            raise KeycloakError(f"back-channel logout: no answer ({type(error).__name__})") from None
        return answer.status
