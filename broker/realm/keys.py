"""The realm's public keys, and what they signed (port `RealmKeys`; RFC 7515, 7517).

Owns: fetching and caching the realm's JWKS, and the signature of a token.
Leaves to others: every claim, lifetime and audience included.

Keys live in the cache for five minutes: so long a key that was taken out of the realm is still believed. An unknown key id
fetches anew, but at most every few seconds, so that made-up ids can't make us flood Keycloak. Where Keycloak can't be
reached, the last keys that it gave go on being used.
"""

import asyncio
import json
from datetime import datetime, timedelta

import httpx
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from broker.errors import KeycloakError
from broker.outbound import fetch, seconds_left
from broker.ports import Json
from broker.realm.connection import path_part

TTL = timedelta(minutes=5)
REFETCH_AFTER = timedelta(seconds=5)

_ALGORITHMS = ["RS256"]
_MAX_TOKEN_LENGTH = 64 * 1024
_MAX_KEYS = 100


class KeycloakRealmKeys:
    """The real ones."""

    def __init__(self, base_url: str, realm: str, client: httpx.AsyncClient) -> None:
        """`base_url` is how the broker reaches Keycloak; `client` is closed by whoever made it."""
        self._url = f"{base_url}/realms/{path_part(realm)}/protocol/openid-connect/certs"
        self._client = client
        self._keys: dict[str, RSAKey] = {}
        self._fetched_at: datetime | None = None
        self._tried_at: datetime | None = None
        self._error: KeycloakError | None = None
        self._lock = asyncio.Lock()

    async def verify(self, token: str, now: datetime) -> Json:
        """Claims of a token that the realm signed with RS256. Raises ValueError, KeycloakError."""
        key = await self._get(_key_id(token), now)
        try:
            return dict(jwt.decode(token, key, algorithms=_ALGORITHMS).claims)
        except (JoseError, ValueError, RecursionError):
            raise ValueError("the realm did not sign this token") from None

    async def age(self, now: datetime) -> timedelta:
        """How old the keys are that tokens are verified with; fetches them where there are none yet. Raises KeycloakError.

        Old ones are no error: they go on being used while Keycloak is away.
        """
        if self._fetched_at is None:
            async with self._lock:  # as in `_get`
                if not _is_within(REFETCH_AFTER, self._tried_at, now):
                    await self._refetch(now)
        if self._fetched_at is None:
            raise KeycloakError(str(self._error), status=self._error.status if self._error else None)
        return now - self._fetched_at

    async def _get(self, key_id: str, now: datetime) -> RSAKey:
        if key_id not in self._keys or not _is_within(TTL, self._fetched_at, now):
            try:
                # One fetch; who waited finds its outcome. Nobody waits longer than they can behind somebody else's.
                async with asyncio.timeout(seconds_left()), self._lock:
                    if not _is_within(REFETCH_AFTER, self._tried_at, now):
                        await self._refetch(now)
            except TimeoutError:
                raise KeycloakError("realm keys: no answer in time") from None
        if key_id in self._keys:
            return self._keys[key_id]
        if self._error:
            raise KeycloakError(str(self._error), status=self._error.status)
        raise ValueError("the realm has no key of this id")

    async def _refetch(self, now: datetime) -> None:
        self._tried_at = now
        self._error = KeycloakError("realm keys: the last try was broken off")
        try:
            self._keys = await self._fetch()
        except KeycloakError as error:
            self._error = error
        else:
            self._error = None
            self._fetched_at = now

    async def _fetch(self) -> dict[str, RSAKey]:
        try:
            answer = await fetch(self._client, self._client.build_request("GET", self._url))
        except httpx.HTTPError as error:
            raise KeycloakError(f"realm keys: no answer ({type(error).__name__})") from None
        if answer.status != 200:
            raise KeycloakError(f"realm keys: Keycloak answered {answer.status}", status=answer.status)
        try:
            jwks = json.loads(answer.body)["keys"]
            usable = [jwk for jwk in jwks[:_MAX_KEYS] if jwk["kty"] == "RSA" and jwk.get("use") == "sig"]
            return {str(jwk["kid"]): RSAKey.import_key(jwk) for jwk in usable}
        except (ValueError, TypeError, KeyError, JoseError):
            raise KeycloakError("realm keys: the answer is not a JWKS", status=answer.status) from None


def _is_within(age: timedelta, start: datetime | None, now: datetime) -> bool:
    return (
        start is not None and abs(now - start) < age
    )  # `abs`: a clock that was set back must not stop us from fetching


def _key_id(unverified_token: str) -> str:
    """Key id in the header of a token that is not verified yet; it only chooses among the realm's keys."""
    if len(unverified_token) > _MAX_TOKEN_LENGTH:
        raise ValueError("the token is too long")
    try:
        key_id = jws.extract_compact(unverified_token.encode()).headers().get("kid")
    except (JoseError, ValueError, TypeError, AttributeError, RecursionError):
        raise ValueError("this is not a signed token") from None
    if isinstance(key_id, str):
        return key_id
    raise ValueError("the token names no key")
