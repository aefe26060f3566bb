"""The partner's side of the protocol, by hand: takes events, signs client assertions, asks for tokens.

It knows only what it received on the wire, as a broker does.
"""

import base64
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from cryptography.hazmat.primitives.serialization import load_der_private_key
from fastapi import FastAPI, Request
from fastapi.responses import Response
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from demo.browser import Browser
from demo.http_client import http_client
from demo.server import HttpServer

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass
class Received:
    """One POST to the events callback URL."""

    body: bytes
    headers: dict[str, str]

    @property
    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(self.body)
        return event

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = self.event["data"]
        return data

    def link(self, name: str) -> str:
        return str(self.event["_links"][name]["href"])


@dataclass
class Partner:
    """A server for events and callbacks, and the calls that a partner makes."""

    server: HttpServer = field(default_factory=HttpServer)
    received: list[Received] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)  # the next events are answered with these, then with 202
    client: httpx.AsyncClient = field(default_factory=http_client)

    async def start(self) -> None:
        application = FastAPI()

        @application.post("/talkdesk/events")
        async def events(request: Request) -> Response:
            self.received.append(Received(await request.body(), dict(request.headers)))
            return Response(status_code=self.answers.pop(0) if self.answers else 202)

        @application.get("/talkdesk/callback")
        async def callback() -> Response:
            return Response("arrived")

        await self.server.start(application)

    async def stop(self) -> None:
        await self.client.aclose()
        await self.server.stop()

    @property
    def redirect_url(self) -> str:
        return f"{self.server.url}/talkdesk/callback"

    @property
    def installed(self) -> Received:
        """The newest event with credentials."""
        return next(each for each in reversed(self.received) if "private_key" in each.data)

    def assertion(self, *, of: Received | None = None, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A client assertion as the documentation wants it; arguments spoil it."""
        data = (of or self.installed).data
        now = int(time.time())
        payload = {
            "iss": data["client_id"],
            "sub": data["client_id"],
            "aud": self.token_url,
            "jti": secrets.token_urlsafe(16),
            "iat": now,
            "exp": now + 300,
        } | claims
        payload = {name: value for name, value in payload.items() if value is not None}
        full_header = {"alg": data["key_algorithm"], "kid": data["key_id"]} | (header or {})
        return jwt.encode(full_header, payload, signing_key(data["private_key"]), algorithms=[full_header["alg"]])

    @property
    def token_url(self) -> str:
        first = next(each for each in self.received if "authorization" in each.event["_links"])
        return first.link("token") if "token" in first.event["_links"] else first.link("tokens")

    async def token_request(self, *, assertion: str | None = None, **form: str) -> httpx.Response:
        body = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion or self.assertion()} | form
        return await self.client.post(self.token_url, data=body)

    async def redeem(self, code: str, **changes: Any) -> httpx.Response:
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": self.redirect_url} | changes
        return await self.token_request(**form)

    async def app_token(self, scope: str = "apps:write", **changes: Any) -> str:
        answer = await self.token_request(grant_type="client_credentials", scope=scope, **changes)
        return str(answer.json()["access_token"])

    def authorization_url(self, **changes: str | None) -> str:
        parameters = {
            "response_type": "code",
            "client_id": self.installed.data["client_id"],
            "redirect_uri": self.redirect_url,
            "scope": "openid",
            "state": "the state",
            "nonce": "the nonce",
        } | changes
        query = {name: value for name, value in parameters.items() if value is not None}
        return str(httpx.URL(self.received[0].link("authorization"), params=query))

    async def authorize(self, browser: Browser, **changes: str | None) -> dict[str, str]:
        """What comes back to the redirect URL."""
        page = await browser.open(self.authorization_url(**changes))
        assert page.url.startswith(self.redirect_url + "?"), page
        return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}

    async def api(self, method: str, path: str, token: str | None, body: Any = None) -> httpx.Response:
        """A call below the installation's link."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return await self.client.request(
            method, self.received[0].link("installation") + path, json=body, headers=headers
        )


def signing_key(text: str) -> ECKey | RSAKey:
    """From base64 of PKCS#8 DER, as it arrives."""
    key = load_der_private_key(base64.b64decode(text, validate=True), None)
    return RSAKey.import_key(key) if type(key).__name__.startswith("RSA") else ECKey.import_key(key)  # type: ignore[arg-type]
