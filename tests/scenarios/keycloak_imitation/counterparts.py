"""What stands on either side of a realm: the smallest OpenID provider and the smallest app that are real, on one server.

For tests of the imitation of Keycloak itself; scenario tests have the broker and their own apps in these places.
"""

import secrets
import ssl
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from demo.browser import Browser, Page
from demo.server import HttpServer
from tests.fakes.keycloak import KeycloakImitation

Json = dict[str, Any]

EVENT = "http://schemas.openid.net/event/backchannel-logout"
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For a browser that meets no https; trusts nobody, so no certificates are read."""
NOTES = '[{"key": "talkdesk_user_id", "value": ".*"}, {"key": "talkdesk_apps", "value": ".*"}]'


class Clock:
    """The realm's clock, as far ahead of ours as a test wants."""

    ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class Counterparts:
    """Issuer `{url}/oidc/one` with client `talkdesk-one`, and app `wallboard`."""

    keycloak: KeycloakImitation
    clock: Clock
    server: HttpServer = field(default_factory=HttpServer)
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"use": "sig"}, auto_kid=True))
    person: Json = field(default_factory=dict)
    """Claims of the next sign-on beside the usual."""
    answer: Json = field(default_factory=dict)
    """What is different in the token answer; None leaves out."""
    is_asking: bool = False
    """Stop at `authorize` with a page whose text is the address to go on with."""
    token_calls: list[Json] = field(default_factory=list)
    logout_tokens: list[str] = field(default_factory=list)
    logout_status: int = 200
    nonces: dict[str, str] = field(default_factory=dict)
    http: httpx.AsyncClient = field(default_factory=lambda: httpx.AsyncClient(trust_env=False, verify=False))
    """For calls of the tests; reading certificates would take longer than most of them."""

    async def __aenter__(self) -> Self:
        routes = [
            Route("/oidc/one/authorize", self._authorize),
            Route("/oidc/one/token", self._token, methods=["POST"]),
            Route("/oidc/jwks", self._jwks),
            Route("/app/callback", self._callback),
            Route("/app/logout", self._logout, methods=["POST"]),
        ]
        await self.server.start(Starlette(routes=routes))
        self.keycloak.register_app("wallboard", "app-secret", (self.redirect_uri,), f"{self.server.url}/app/logout")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()
        await self.server.stop()

    @property
    def issuer(self) -> str:
        return f"{self.server.url}/oidc/one"

    @property
    def redirect_uri(self) -> str:
        return f"{self.server.url}/app/callback"

    @property
    def backchannel_url(self) -> str:
        return f"{self.keycloak.realm_url}/protocol/openid-connect/logout/backchannel-logout"

    def representation(self, alias: str = "talkdesk-one", **changes: object) -> Json:
        """An identity provider for our issuer."""
        config = {
            "issuer": self.issuer,
            "authorizationUrl": f"{self.issuer}/authorize",
            "tokenUrl": f"{self.issuer}/token",
            "jwksUrl": f"{self.server.url}/oidc/jwks",
            "clientId": "talkdesk-one",
            "clientAuthMethod": "private_key_jwt",
            "pkceEnabled": "true",
            "syncMode": "FORCE",
        }
        flow = {"firstBrokerLoginFlowAlias": "talkdesk first login", "displayName": "Talkdesk"}
        return {"alias": alias, "providerId": "oidc", "enabled": True, "config": config, **flow, **changes}

    async def launch(self, browser: Browser, **changes: str) -> Page:
        """Open the app in this browser, with the hint."""
        parameters = {
            "client_id": "wallboard",
            "redirect_uri": self.redirect_uri,
            "response_type": "code",
            "scope": "openid",
            "state": "a state",
            "nonce": "a nonce",
            "kc_idp_hint": "talkdesk-one",
            **changes,
        }
        return await browser.open(f"{self.keycloak.realm_url}/protocol/openid-connect/auth?{urlencode(parameters)}")

    def signed(self, claims: Json, kind: str = "JWT") -> str:
        """A token of our issuer; claims that are None are left out."""
        kept = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode({"alg": "ES256", "kid": self.key.kid, "typ": kind}, kept, self.key, algorithms=["ES256"])

    def logout_token(self, **changes: object) -> str:
        """A good logout token but for the changes."""
        claims = {
            "iss": self.issuer,
            "aud": "talkdesk-one",
            "iat": int(time.time()),
            "exp": int(time.time()) + 120,
            "jti": str(uuid.uuid4()),
            "events": {EVENT: {}},
        }
        return self.signed({**claims, **changes}, "logout+jwt")

    async def _authorize(self, request: Request) -> Response:
        query = request.query_params
        code = secrets.token_urlsafe(8)
        self.nonces[code] = query["nonce"]
        back = f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"
        return PlainTextResponse(back) if self.is_asking else RedirectResponse(back, 302)

    async def _token(self, request: Request) -> Response:
        form = {name: str(value) for name, value in (await request.form()).items()}
        self.token_calls.append(form)
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": "talkdesk-one",
            "sub": "talkdesk-acme-ana",
            "sid": "upstream-1",
            "nonce": self.nonces.pop(form["code"]),
            "iat": now,
            "exp": now + 60,
            "preferred_username": "talkdesk-acme-ana",
            "given_name": "Ana",
            "family_name": "Silva",
            "talkdesk_user_id": "ana",
            "talkdesk_apps": '["wallboard"]',
            **self.person,
        }
        answer = {"access_token": "opaque", "token_type": "Bearer", "id_token": self.signed(claims), **self.answer}
        return JSONResponse({name: value for name, value in answer.items() if value is not None})

    async def _jwks(self, _: Request) -> Response:
        return JSONResponse({"keys": [self.key.as_dict(private=False)]})

    async def _callback(self, _: Request) -> Response:
        return PlainTextResponse("in the app")

    async def _logout(self, request: Request) -> Response:
        self.logout_tokens.append(str((await request.form())["logout_token"]))
        return Response(status_code=self.logout_status)


def query_of(page: Page) -> dict[str, str]:
    """Query of the address where a journey ended."""
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


async def token_answer(desk: Counterparts, page: Page, **changes: str) -> httpx.Response:
    """What the app gets for the code that the browser brought."""
    form = {
        "grant_type": "authorization_code",
        "code": query_of(page)["code"],
        "redirect_uri": desk.redirect_uri,
        "client_id": "wallboard",
        "client_secret": "app-secret",
        **changes,
    }
    return await desk.http.post(f"{desk.keycloak.realm_url}/protocol/openid-connect/token", data=form)


async def id_token_claims(desk: Counterparts, page: Page) -> Json:
    """Claims of the ID token, verified with the realm's published keys."""
    token = (await token_answer(desk, page)).json()["id_token"]
    return (await verified(desk, token)).claims


async def verified(desk: Counterparts, token: str) -> jwt.Token:
    """The token, if the realm's published keys signed it."""
    keys = (await desk.http.get(f"{desk.keycloak.realm_url}/protocol/openid-connect/certs")).json()
    return jwt.decode(token, KeySet.import_key_set(keys), algorithms=["RS256"])
