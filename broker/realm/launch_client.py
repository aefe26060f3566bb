"""Us as a relying party of the realm, client `talkdesk-launch` (port `LaunchClient`; OpenID Connect Core 1.0, section 3.1).

Owns: the authorization request and the code exchange (PKCE, RFC 7636; client secret by HTTP Basic, RFC 6749 section 2.3.1).
Leaves to others: state and nonce, and the checks of the ID token.
"""

import json
from base64 import b64encode
from urllib.parse import quote, urlencode

import httpx

from broker.errors import KeycloakError
from broker.model.browser import PROOF
from broker.model.names import Alias
from broker.outbound import fetch
from broker.realm.connection import path_part


class KeycloakLaunchClient:
    """The real one."""

    def __init__(
        self,
        *,
        browser_url: str,
        base_url: str,
        realm: str,
        client_id: str,
        client_secret: str,
        redirect_uri: str,
        client: httpx.AsyncClient,
    ) -> None:
        """`browser_url` is Keycloak as browsers see it, `base_url` how the broker reaches it; `client` is closed by whoever made it."""
        endpoints = f"/realms/{path_part(realm)}/protocol/openid-connect"
        self._authorization_endpoint = f"{browser_url}{endpoints}/auth"
        self._token_endpoint = f"{base_url}{endpoints}/token"
        self.client_id = client_id
        self._redirect_uri = redirect_uri
        self._client = client
        # Both parts are form-encoded first (RFC 6749, 2.3.1): a secret may hold `:`, `%` or `+`.
        pair = f"{quote(client_id, safe='')}:{quote(client_secret, safe='')}"
        self._authorization = f"Basic {b64encode(pair.encode()).decode()}"

    def authorization_url(
        self, *, alias: Alias, state: str, nonce: str, code_challenge: str, proof: str | None = None
    ) -> str:
        """Keycloak's authorization endpoint with the hint for this identity provider.

        Without `prompt`: `login` over the session of another person is an error page, over one of the same person it makes
        a session that no logout token ever ends.
        """
        query = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self._redirect_uri,
            "scope": "openid",
            "state": state,
            "nonce": nonce,
            "code_challenge": code_challenge,
            "code_challenge_method": "S256",
            "kc_idp_hint": alias,
        }
        if proof:
            query[PROOF] = proof
        return f"{self._authorization_endpoint}?{urlencode(query)}"

    async def exchange(self, code: str, code_verifier: str) -> str:
        """The ID token of a code; sent once, since a code that is sent twice ends what it gave. Raises KeycloakError."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect_uri,
            "code_verifier": code_verifier,
        }
        headers = {"Authorization": self._authorization, "Accept": "application/json"}
        request = self._client.build_request("POST", self._token_endpoint, data=form, headers=headers)
        try:
            answer = await fetch(self._client, request)
        except httpx.HTTPError as error:
            raise KeycloakError(f"code exchange: no answer ({type(error).__name__})") from None
        if answer.status != 200:
            is_final = 400 <= answer.status < 500
            raise KeycloakError(
                f"code exchange: Keycloak answered {answer.status}", status=answer.status, is_final=is_final
            )
        return _id_token(answer.body)


def _id_token(body: bytes) -> str:
    try:
        token = json.loads(body)["id_token"]
    except (ValueError, TypeError, KeyError):
        token = None
    if not isinstance(token, str):
        raise KeycloakError("code exchange: there is no ID token in the answer", status=200, is_final=True)
    return token
