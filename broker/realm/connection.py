"""Connections to Keycloak's admin API: with the service account (client credentials), or as an administrator for one command (password).

Owns: one access token at a time, time-outs, escaping of path parts, and what becomes of the library's errors.
Leaves to others: which calls are made. Nothing is called before the first request, so the broker starts without Keycloak.

What python-keycloak 7.1 does by itself and is changed here: ten concurrent first calls fetch ten tokens; path parts go
unescaped into the URL; the base URL loses its last segment where no `/` ends it; time-out 60 s; HTTP clients of its own.
Its answer to a 401 stays: one fresh token, one more try.
"""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast
from urllib.parse import quote

import httpx
from keycloak import KeycloakOpenIDConnection
from keycloak.exceptions import KeycloakError as LibraryError

from broker.errors import KeycloakError
from broker.outbound import seconds_left, tls_context

TIMEOUT_S = 5

_MAX_SENTENCE = 200


class _Connection(KeycloakOpenIDConnection):
    """The library's connection, safe to share between tasks."""

    def __init__(self, base_url: str, realm: str, client: httpx.AsyncClient, **login: str) -> None:
        super().__init__(
            server_url=base_url.rstrip("/") + "/",
            realm_name=path_part(realm),
            timeout=TIMEOUT_S,
            # It makes clients of its own, which are replaced below; without this each would read the authorities again.
            verify=cast(bool, tls_context()),
            **cast(dict[str, Any], login),
        )
        self.async_s = client
        self.keycloak_openid.connection.async_s = client
        self._token_lock = asyncio.Lock()

    async def a_refresh_token(self) -> None:
        """Fetch a new token, once for all who found the old one missing, expired or refused (401)."""
        before = self.token
        try:
            # Also behind somebody who waits longer than this one can.
            async with asyncio.timeout(seconds_left()), self._token_lock:
                if self.token is before:
                    await self.a_get_token()
        except TimeoutError:
            raise KeycloakError("access token: no answer in time") from None

    async def a_get_token(self) -> None:
        """Fetch a token. Raises the broker's error, so that no 404 of the token endpoint passes for one of the call itself."""
        with translated("access token"):
            await super().a_get_token()


class RealmConnection(_Connection):
    """As the broker's service account."""

    def __init__(
        self, base_url: str, realm: str, client_id: str, client_secret: str, client: httpx.AsyncClient
    ) -> None:
        """`base_url` is how the broker reaches Keycloak; `client` is closed by whoever made it."""
        super().__init__(base_url, realm, client, client_id=client_id, client_secret_key=client_secret)


class AdministratorConnection(_Connection):
    """As a person who administers the realm, for the time of one command; nothing of the account is kept anywhere else."""

    def __init__(
        self, base_url: str, realm: str, client: httpx.AsyncClient, *, username: str, password: str, admin_realm: str
    ) -> None:
        """`admin_realm` is where the account is."""
        login = {"username": username, "password": password, "user_realm_name": path_part(admin_realm)}
        super().__init__(base_url, realm, client, client_id="admin-cli", **login)

    async def end_session(self) -> None:
        """Sign the account out again; where that does not work, the session ends by itself."""
        refresh_token = (self.token or {}).get("refresh_token")
        if refresh_token:
            with suppress(KeycloakError), translated("sign-out of the administrator"):
                await self.keycloak_openid.a_logout(refresh_token)
            self.token = None


def path_part(text: str) -> str:
    """One segment of a URL's path."""
    if text in ("", ".", ".."):
        raise ValueError(f"{text!r} can't be a segment of a path")
    return quote(text, safe="")


@contextmanager
def translated(call: str) -> Iterator[None]:
    """Turn the library's errors into the broker's.

    None is final, not even a 400: whatever Keycloak refuses of what we send (a URL without TLS, a flow or a role that is
    missing) follows from how realm and broker are set up. An administrator can mend it, and then the same request works.
    """
    try:
        yield
    except LibraryError as error:
        status = error.response_code
        outcome = f"answered {status}{_explanation(error)}" if status else "gave no answer"
        raise KeycloakError(f"{call}: Keycloak {outcome}", status=status) from None
    except (TypeError, KeyError):
        # What the library makes of an answer of another shape than the API's, say a proxy's page with status 200.
        raise KeycloakError(f"{call}: the answer is not Keycloak's") from None


def _explanation(error: LibraryError) -> str:
    """The admin API's own sentence for a person; nothing else of its answer goes on, and no secret is in what we send there."""
    try:
        sentence = json.loads(error.response_body or b"")["errorMessage"]
    except (ValueError, TypeError, KeyError):
        return ""
    return f": {sentence[:_MAX_SENTENCE]!r}" if isinstance(sentence, str) else ""
