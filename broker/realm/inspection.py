"""Looks at the realm with no more than the broker's own two clients have: what `broker check` asks Keycloak. Writes nothing there.

Owns: those calls, and what their answers say. Leaves to others: what should be there, and the parts of the realm that only an administrator
may see (`realm plan`).
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import httpx
from joserfc import jws
from joserfc.errors import JoseError

from broker.errors import KeycloakError
from broker.outbound import Answer, fetch
from broker.realm.connection import RealmConnection, path_part, translated
from broker.realm.launch_client import KeycloakLaunchClient

_ROLES_OF_REALM = "realm-management"
_EVERYBODYS = ("account",)  # what every user of a realm has


@dataclass(frozen=True)
class ServiceAccount:
    """What an access token of the service account says."""

    roles: frozenset[str]
    """Of the client `realm-management`; of another one with its name before a slash."""
    issued_at: datetime
    """On Keycloak's clock, whole seconds."""


class RealmInspection:
    """Asks one realm."""

    def __init__(
        self,
        base_url: str,
        realm: str,
        connection: RealmConnection,
        launch_client: KeycloakLaunchClient,
        client: httpx.AsyncClient,
    ) -> None:
        """`base_url` is how the broker reaches Keycloak; `client` is closed by whoever made it."""
        self._base_url = base_url
        self._realm = path_part(realm)
        self._connection = connection
        self._launch_client = launch_client
        self._client = client

    async def issuer(self) -> str:
        """Issuer of the realm, as its discovery document names it. Raises KeycloakError."""
        url = f"{self._base_url}/realms/{self._realm}/.well-known/openid-configuration"
        answer = await self._fetch("discovery", url)
        try:
            return str(json.loads(answer.body)["issuer"])
        except (ValueError, TypeError, KeyError):
            raise KeycloakError("discovery: the answer is not Keycloak's", status=answer.status) from None

    async def service_account(self) -> ServiceAccount:
        """Who we are to the admin API. Raises KeycloakError."""
        await self._connection.a_get_token()
        try:
            # It came from Keycloak's own token endpoint just now: that vouches for it, and we only look at it.
            claims = json.loads(
                jws.extract_compact(str((self._connection.token or {})["access_token"]).encode()).payload
            )
            roles = {
                role if client == _ROLES_OF_REALM else f"{client}/{role}"
                for client, access in claims.get("resource_access", {}).items()
                if client not in _EVERYBODYS
                for role in access["roles"]
            }
            return ServiceAccount(frozenset(roles), datetime.fromtimestamp(claims["iat"], UTC))
        except (JoseError, ValueError, TypeError, KeyError, AttributeError):
            raise KeycloakError("access token: its claims can't be read") from None

    async def version(self) -> str | None:
        """Keycloak's version; None where it is not ours to know. Raises KeycloakError."""
        with translated("server's version"):
            answer = await self._connection.a_raw_get("admin/serverinfo")
            if answer.status_code != 200:
                return None
            version = answer.json().get("systemInfo", {}).get("version")
            return version if isinstance(version, str) else None

    async def reads_of_us(self, url: str) -> str | None:
        """Let Keycloak fetch this discovery document of ours: the issuer that it found there, None where it found no such document.

        By the call behind "import from URL" of its console, which keeps nothing. Raises KeycloakError.
        """
        with translated("import-config"):
            path = f"admin/realms/{self._realm}/identity-provider/import-config"
            answer = await self._connection.a_raw_post(path, json.dumps({"providerId": "oidc", "fromUrl": url}))
            if answer.status_code == 200:
                issuer = answer.json().get("issuer", "")
                return issuer if isinstance(issuer, str) else ""
        if answer.status_code == 403:
            raise KeycloakError("import-config: Keycloak answered 403", status=403)
        return None

    async def knows_launch_secret(self) -> bool:
        """Whether the launch client's id and secret are right. Raises KeycloakError."""
        try:
            await self._launch_client.exchange("a code that nobody issued", "a verifier")
        except KeycloakError as error:
            if error.status in (400, 401):
                return error.status == 400  # the code is refused, not the client
            raise
        raise KeycloakError("code exchange: Keycloak took a code that nobody issued")

    async def lets_launches_return(self, redirect_uri: str) -> bool:
        """Whether a launch may begin and come back: a browser that nobody has signed on in is sent back to us at once (`prompt=none`)."""
        query = {
            "client_id": self._launch_client.client_id,
            "redirect_uri": redirect_uri,
            "response_type": "code",
            "scope": "openid",
            "prompt": "none",
            "state": "check",
            # Of no verifier of ours: no code comes of this request.
            "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
            "code_challenge_method": "S256",
        }
        url = httpx.URL(f"{self._base_url}/realms/{self._realm}/protocol/openid-connect/auth", params=query)
        answer = await self._fetch("authorization endpoint", str(url), also=(302, 303, 400))
        location = answer.headers.get("Location", "")
        errors = parse_qs(urlsplit(location).query).get("error", [])
        return location.partition("?")[0] == redirect_uri and errors in (["login_required"], ["interaction_required"])

    async def _fetch(self, call: str, url: str, also: tuple[int, ...] = ()) -> Answer:
        try:
            answer = await fetch(self._client, self._client.build_request("GET", url))
        except httpx.HTTPError as error:
            raise KeycloakError(f"{call}: no answer ({type(error).__name__})") from None
        if answer.status != 200 and answer.status not in also:
            raise KeycloakError(f"{call}: Keycloak answered {answer.status}", status=answer.status)
        return answer
