"""A small OpenID provider on loopback, for the app alone: signs everybody on at once, tells an app that a session is over."""

import base64
import hashlib
import secrets
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from demo.http_client import http_client
from demo.server import HttpServer

EVENT = "http://schemas.openid.net/event/backchannel-logout"

# Made once: an RSA key takes longer than the tests that use it.
KEY = RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})


@dataclass
class Provider:
    """Who is signed in is `claims`; every sign-on belongs to the session `sid`."""

    server: HttpServer = field(default_factory=HttpServer)
    key: RSAKey = field(default_factory=lambda: KEY)
    claims: dict[str, Any] = field(default_factory=lambda: {"sub": "ana", "sid": "session-1", "name": "Ana Sousa"})
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    key_requests: int = 0

    @property
    def issuer(self) -> str:
        return self.server.url

    async def start(self) -> None:
        application = FastAPI()
        application.add_api_route("/.well-known/openid-configuration", self._discovery)
        application.add_api_route("/keys", self._keys)
        application.add_api_route("/authorize", self._authorize)
        application.add_api_route("/token", self._token, methods=["POST"])
        application.add_api_route("/logout", self._logout)
        await self.server.start(application)

    async def stop(self) -> None:
        await self.server.stop()

    def sign(self, claims: dict[str, Any], header: dict[str, Any] | None = None, key: RSAKey | None = None) -> str:
        full_header = {"alg": "RS256", "kid": self.key.kid} | (header or {})
        present = {name: value for name, value in full_header.items() if value is not None}
        return jwt.encode(present, claims, key or self.key, algorithms=["RS256"], default_type=None)

    def logout_token(self, header: dict[str, Any] | None = None, key: RSAKey | None = None, **changes: Any) -> str:
        """As Keycloak makes them; arguments spoil it, and None leaves a claim out."""
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "aud": "wallboard",
            "sub": "ana",
            "sid": "session-1",
            "jti": secrets.token_urlsafe(16),
            "iat": now,
            "exp": now + 120,
            "events": {EVENT: {}},
            "typ": "Logout",
        } | changes
        present = {name: value for name, value in claims.items() if value is not None}
        return self.sign(present, {"typ": "logout+jwt"} | (header or {}), key)

    async def post_logout(self, url: str, token: str) -> int:
        async with http_client() as client:
            return (await client.post(url, data={"logout_token": token})).status_code

    async def _discovery(self) -> Response:
        names = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        names["end_session_endpoint"] = "logout"
        document: dict[str, Any] = {name: f"{self.issuer}/{path}" for name, path in names.items()}
        algorithms = {"id_token_signing_alg_values_supported": ["RS256"]}
        return JSONResponse(document | algorithms | {"issuer": self.issuer})

    async def _keys(self) -> Response:
        self.key_requests += 1
        return JSONResponse(KeySet([self.key]).as_dict(private=False))

    async def _authorize(self, request: Request) -> Response:
        parameters = dict(request.query_params)
        code = secrets.token_urlsafe(16)
        self.codes[code] = parameters
        query = urlencode({"code": code, "state": parameters["state"], "iss": self.issuer})
        return RedirectResponse(f"{parameters['redirect_uri']}?{query}", 302)

    async def _token(self, request: Request) -> Response:
        form = await request.form()
        parameters = self.codes.pop(str(form["code"]))
        digest = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != parameters["code_challenge"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": parameters["client_id"], "nonce": parameters["nonce"]}
        id_token = self.sign(claims | {"iat": now, "exp": now + 60} | self.claims)
        return JSONResponse({"access_token": "opaque", "token_type": "Bearer", "id_token": id_token})

    async def _logout(self, request: Request) -> Response:
        assert request.query_params["id_token_hint"]
        return RedirectResponse(request.query_params["post_logout_redirect_uri"], 302)
