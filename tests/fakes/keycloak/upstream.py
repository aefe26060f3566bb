"""The realm as a relying party: redeems codes at identity providers and verifies what they sign.

Follows docs/keycloak.md "Identity provider": the only client authentication that is known here is `private_key_jwt` with the realm's key.
"""

import json
import uuid
from datetime import datetime, timedelta

import httpx
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from tests.fakes.keycloak.model import Identity, Json, Provider, Tab
from tests.fakes.keycloak.realm import Realm

ALGORITHMS = ["RS256", "PS256", "ES256", "ES384", "ES512"]
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_RELOAD_KEYS_AFTER = timedelta(seconds=10)


class UpstreamRefused(Exception):
    """What came from the identity provider is not good enough."""


class Upstream:
    """Calls to identity providers."""

    def __init__(self, realm: Realm, client: httpx.AsyncClient) -> None:
        self._realm = realm
        self._client = client
        self._keys: dict[str, tuple[datetime, KeySet]] = {}

    async def redeem(self, provider: Provider, tab: Tab, code: str) -> Identity:
        """Who signed on. Raises UpstreamRefused."""
        answer = await self._token_answer(provider, tab, code)
        if not answer.get("access_token"):
            raise UpstreamRefused("no access token")
        claims = await self.verify(provider, str(answer.get("id_token", "")))
        self._check_id_token(provider, tab, claims)
        sid = claims.get("sid") or answer.get("session_state")
        return Identity(sub=str(claims["sub"]), sid=str(sid) if sid else None, claims=claims)

    async def verify(self, provider: Provider, token: str) -> Json:
        """Claims of a token that one of the provider's keys signed. Raises UpstreamRefused."""
        try:
            kid = str(jws.extract_compact(token.encode()).headers().get("kid"))
            return jwt.decode(token, await self._key_set(provider, kid), algorithms=ALGORITHMS).claims
        except (JoseError, ValueError) as error:
            raise UpstreamRefused(f"token: {error!r}") from error

    async def _token_answer(self, provider: Provider, tab: Tab, code: str) -> Json:
        config = provider.config
        if config.get("clientAuthMethod") != "private_key_jwt":
            raise UpstreamRefused("the imitation authenticates by private_key_jwt only")
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": f"{self._realm.issuer}/broker/{provider.alias}/endpoint",
            "client_id": config["clientId"],
            "client_assertion_type": JWT_BEARER,
            "client_assertion": self._assertion(provider),
        }
        if tab.code_verifier:
            form["code_verifier"] = tab.code_verifier
        try:
            response = await self._client.post(config["tokenUrl"], data=form)
            answer = response.json() if response.is_success else None
        except (httpx.HTTPError, json.JSONDecodeError) as error:
            raise UpstreamRefused(f"token call: {error!r}") from error
        if not isinstance(answer, dict):
            raise UpstreamRefused(f"token call: {response.status_code}")
        return answer

    def _assertion(self, provider: Provider) -> str:
        config, now = provider.config, self._realm.now_s
        claims = {
            "iss": config["clientId"],
            "sub": config["clientId"],
            "aud": config.get("clientAssertionAudience", config["tokenUrl"]),
            "jti": str(uuid.uuid4()),
            "iat": now,
            "exp": now + 60,
        }
        return self._realm.sign(claims)

    def _check_id_token(self, provider: Provider, tab: Tab, claims: Json) -> None:
        skew = int(provider.config.get("allowedClockSkew", "0"))
        for is_right, problem in (
            (claims.get("iss") == provider.config.get("issuer"), "iss"),
            (has_audience(claims, provider.config["clientId"]), "aud"),
            (claims.get("nonce") == tab.upstream_nonce, "nonce"),
            (isinstance(claims.get("exp"), int) and self._realm.now_s < claims["exp"] + skew, "exp"),
            (bool(claims.get("sub")), "sub"),
        ):
            if not is_right:
                raise UpstreamRefused(f"ID token: {problem}")

    async def _key_set(self, provider: Provider, kid: str) -> KeySet:
        """Keys are kept; an unknown `kid` makes them load anew, at most every ten seconds (T10)."""
        kept = self._keys.get(provider.internal_id)
        now = self._realm.clock()
        if kept and (any(key.kid == kid for key in kept[1].keys) or now - kept[0] < _RELOAD_KEYS_AFTER):
            return kept[1]
        try:
            response = await self._client.get(provider.config.get("jwksUrl", ""))
            keys = KeySet.import_key_set(response.raise_for_status().json())
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise UpstreamRefused(f"keys: {error!r}") from error
        self._keys[provider.internal_id] = (now, keys)
        return keys


def has_audience(claims: Json, wanted: str) -> bool:
    """Whether the token is for this client."""
    audience = claims.get("aud")
    return wanted in audience if isinstance(audience, list) else wanted == audience


def unverified_claims(token: str) -> Json:
    """What a token says before anything is checked; empty where it says nothing."""
    try:
        claims = json.loads(jws.extract_compact(token.encode()).payload)
    except (JoseError, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}
