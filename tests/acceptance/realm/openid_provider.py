"""The smallest OpenID provider that Keycloak signs people on with: what the broker is to the realm, without the broker.

So the realm can be judged alone: whoever is `person` signs on at once, and Keycloak's identity provider is the broker's own
(`broker.converge.desired`). What the broker itself answers is judged elsewhere.
"""

import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self
from urllib.parse import urlencode

from joserfc import jwt
from joserfc.jwk import ECKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from broker.converge.desired import Deployment, desired_provider
from broker.model.installation import Installation
from broker.model.names import AccountId, Alias, AppId, InstallationId, alias_of, client_id_of, slug_of
from demo.server import HttpServer

Json = dict[str, Any]


@dataclass
class OpenIdProvider:
    """Issuer `{url}/oidc/{installation}` for any installation."""

    person: Json = field(default_factory=dict)
    """Claims of the next sign-on beside the protocol's."""
    error: str | None = None
    """Answered to the next authorization request instead of a code."""
    server: HttpServer = field(default_factory=HttpServer)
    _key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"use": "sig"}, auto_kid=True))
    _nonces: dict[str, str] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        routes = [
            Route("/oidc/jwks", self._jwks),
            Route("/oidc/{installation}/authorize", self._authorize),
            Route("/oidc/{installation}/token", self._token, methods=["POST"]),
        ]
        await self.server.start(Starlette(routes=routes))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.stop()

    def identity_provider(self, installation: InstallationId) -> Json:
        """What the broker would have Keycloak know of this issuer."""
        fresh = Installation(
            id=installation,
            app=AppId("wallboard"),
            account=AccountId("acme"),
            account_name="Acme <b>&amp;",
            credentials=None,
            links=None,
            changed_at=datetime(2026, 11, 25, tzinfo=UTC),
        )
        deployment = Deployment(self.server.url, self.server.url, instance="acceptance")
        return desired_provider(fresh, "Wallboard", self.alias(installation), deployment)

    @staticmethod
    def alias(installation: InstallationId) -> Alias:
        """Its identity provider's."""
        return alias_of(slug_of(installation), 1)

    async def _authorize(self, request: Request) -> Response:
        query = request.query_params
        answer = {"state": query["state"]}
        if self.error:
            answer["error"] = self.error
        else:
            answer["code"] = secrets.token_urlsafe(16)
            self._nonces[answer["code"]] = query["nonce"]
        return RedirectResponse(f"{query['redirect_uri']}?{urlencode(answer)}", 302)

    async def _token(self, request: Request) -> Response:
        form = await request.form()
        installation = request.path_params["installation"]
        now = int(time.time())
        claims = {
            "iss": f"{self.server.url}/oidc/{installation}",
            "aud": client_id_of(installation),
            "sid": secrets.token_urlsafe(16),
            "nonce": self._nonces.pop(str(form["code"])),
            "iat": now,
            "exp": now + 60,
            **self.person,
        }
        token = jwt.encode({"alg": "ES256", "kid": self._key.kid}, claims, self._key, algorithms=["ES256"])
        headers = {"Connection": "close"}  # Keycloak repeats no POST that met a closed connection
        return JSONResponse({"access_token": "opaque", "token_type": "Bearer", "id_token": token}, headers=headers)

    async def _jwks(self, _: Request) -> Response:
        return JSONResponse({"keys": [self._key.as_dict(private=False)]}, headers={"Connection": "close"})
