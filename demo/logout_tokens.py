"""Verifies logout tokens (OpenID Connect Back-Channel Logout 1.0, section 2.6), every step of it.

Anybody can post to the logout address: only what Keycloak signed, for this app, now and once, ends a session.
The `typ` is demanded (section 4.1 recommends it), so that no other token of Keycloak's passes for a logout token.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jwt import JWTClaimsRegistry

EVENT = "http://schemas.openid.net/event/backchannel-logout"
ALGORITHMS = ["RS256", "PS256", "ES256"]
LEEWAY_SECONDS = 5
KEYS_AGAIN_AFTER_SECONDS = 10.0  # somebody who invents key ids must not make us ask Keycloak every time


class InvalidLogoutToken(Exception):
    """The token is not a logout token of our Keycloak for us; the text says why."""


@dataclass(frozen=True)
class LogoutSubject:
    """Whose sessions are over: a Keycloak session's (`sid`), or all of a person's (`sub`)."""

    sid: str | None
    sub: str | None


class LogoutTokens:
    """`fetch_keys(force=…)` gives the issuer's JWK set, kept or fetched anew."""

    def __init__(
        self,
        *,
        issuer: str,
        client_id: str,
        fetch_keys: Callable[..., Awaitable[Any]],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._issuer = issuer
        self._client_id = client_id
        self._fetch_keys = fetch_keys
        self._now = now
        self._keys_fetched_at: float | None = None
        self._used: dict[str, float] = {}

    async def verify(self, token: str) -> LogoutSubject:
        """Whose sessions are over, or `InvalidLogoutToken`."""
        decoded = await self._decode(token)
        if str(decoded.header.get("typ", "")).lower() != "logout+jwt":
            raise InvalidLogoutToken("typ is not logout+jwt")
        claims = decoded.claims
        self._check_claims(claims)
        self._check_first_use(claims["jti"], claims["exp"])
        return LogoutSubject(claims.get("sid"), claims.get("sub"))

    async def _decode(self, token: str) -> jwt.Token:
        try:
            return await self._decode_with(await self._fetch_keys(), token)
        except InvalidKeyIdError as unknown:
            since = self._now() - (self._keys_fetched_at or 0)
            if since < KEYS_AGAIN_AFTER_SECONDS:
                raise InvalidLogoutToken("unknown key") from unknown
        self._keys_fetched_at = self._now()
        try:
            return await self._decode_with(await self._fetch_keys(force=True), token)
        except InvalidKeyIdError as unknown:
            raise InvalidLogoutToken("unknown key") from unknown

    @staticmethod
    async def _decode_with(keys: Any, token: str) -> jwt.Token:
        try:
            return jwt.decode(token, KeySet.import_key_set(keys), algorithms=ALGORITHMS)
        except InvalidKeyIdError:
            raise
        except (JoseError, ValueError) as error:
            raise InvalidLogoutToken("the signature is wrong") from error

    def _check_claims(self, claims: dict[str, Any]) -> None:
        registry = JWTClaimsRegistry(
            now=int(self._now()),
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "value": self._client_id},
            iat={"essential": True},
            exp={"essential": True},
            jti={"essential": True},
        )
        try:
            registry.validate(claims)
        except JoseError as error:
            raise InvalidLogoutToken(str(error)) from error
        events = claims.get("events")
        if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
            raise InvalidLogoutToken("events does not say logout")
        if "nonce" in claims:
            raise InvalidLogoutToken("nonce: this is an ID token")
        named = [claims[name] for name in ("sid", "sub") if name in claims]
        if not named or not all(isinstance(each, str) and each for each in named):
            raise InvalidLogoutToken("neither sid nor sub says whose session it is")

    def _check_first_use(self, jti: str, expires_at: float) -> None:
        now = self._now()
        self._used = {each: until for each, until in self._used.items() if until > now}
        if jti in self._used:
            raise InvalidLogoutToken("jti was used before")
        self._used[jti] = expires_at + LEEWAY_SECONDS
