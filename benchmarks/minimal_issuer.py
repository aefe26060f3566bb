"""The least that a correct broker could be: one installation's launches and issuer, everything in memory. In a process of its own.

    MINIMAL_ISSUER=settings.json python -m benchmarks.minimal_issuer serve --port PORT

The same hops as the broker's, each of which checks what its specification says must be checked: state, cookie, PKCE, client assertion,
nonce, signatures. No database, no page but the one that goes on, no failure records, no metrics, no log, one app of one account.
"""

import argparse
import base64
import hashlib
import html
import json
import os
import secrets
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import uvicorn
from joserfc import jws, jwt
from joserfc.jwk import ECKey, KeySet, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True)
class Settings:
    """What it has to know; `benchmarks.launch` writes it."""

    url: str
    realm_url: str
    alias: str
    client_id: str
    """Keycloak's at this issuer."""
    launch_client_id: str
    launch_client_secret: str
    start_url: str
    account: str
    talkdesk_client_id: str
    talkdesk_key_id: str
    talkdesk_key_algorithm: str
    talkdesk_private_key: str
    authorization_url: str
    token_url: str
    userinfo_url: str

    @property
    def issuer(self) -> str:
        return f"{self.url}/oidc/minimal"

    @property
    def redirect_uri(self) -> str:
        return f"{self.realm_url}/broker/{self.alias}/endpoint"


@dataclass
class MinimalIssuer:
    """Its routes, and all that it remembers."""

    settings: Settings
    http: httpx.AsyncClient = field(
        default_factory=lambda: httpx.AsyncClient(trust_env=False, limits=httpx.Limits(max_keepalive_connections=20))
    )
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, parameters={"kid": "minimal", "use": "sig"}))
    kept: dict[str, Any] = field(default_factory=dict)
    """States and codes."""
    jtis: set[str] = field(default_factory=set)
    realm_keys: KeySet | None = None

    def __post_init__(self) -> None:
        """Read the installation's key, once."""
        self.talkdesk_key = ECKey.import_key(self.settings.talkdesk_private_key)

    def application(self) -> Starlette:
        """All of it."""
        return Starlette(
            routes=[
                Route("/health/live", _live),
                Route("/talkdesk/events", _take, methods=["POST"]),
                Route("/talkdesk/launch", self.launch),
                Route("/talkdesk/callback", self.callback),
                Route("/oidc/jwks", self.jwks),
                Route("/oidc/minimal/authorize", self.authorize),
                Route("/oidc/minimal/token", self.token, methods=["POST"]),
                Route("/launch/return", self.launch_return),
            ]
        )

    async def launch(self, _: Request) -> Response:
        state, verifier, kept = self._depart({})
        query = {
            "response_type": "code",
            "client_id": self.settings.launch_client_id,
            "redirect_uri": f"{self.settings.url}/launch/return",
            "scope": "openid",
            "state": state,
            "nonce": kept["nonce"],
            "code_challenge": _challenge(verifier),
            "code_challenge_method": "S256",
            "kc_idp_hint": self.settings.alias,
        }
        url = html.escape(f"{self.settings.realm_url}/protocol/openid-connect/auth?{urlencode(query)}")
        page = f'<meta http-equiv="refresh" content="0;url={url}"><a href="{url}">Go on</a>'
        return _bound(HTMLResponse(page, headers={"Cache-Control": "no-store"}), kept)

    async def authorize(self, request: Request) -> Response:
        given = request.query_params
        _require(given.get("client_id") == self.settings.client_id)
        _require(given.get("redirect_uri") == self.settings.redirect_uri)
        _require(given.get("response_type") == "code" and "openid" in given.get("scope", "").split())
        _require(given.get("code_challenge_method") == "S256" and bool(given.get("state")))
        state, verifier, kept = self._depart({"request": dict(given)})
        query = {
            "response_type": "code",
            "client_id": self.settings.talkdesk_client_id,
            "redirect_uri": f"{self.settings.url}/talkdesk/callback",
            "scope": "openid",
            "state": state,
            "nonce": kept["nonce"],
            "code_challenge": _challenge(verifier),
            "code_challenge_method": "S256",
        }
        return _bound(RedirectResponse(f"{self.settings.authorization_url}?{urlencode(query)}", 302), kept)

    async def callback(self, request: Request) -> Response:
        kept = self._arrive(request)
        now, algorithm = int(time.time()), self.settings.talkdesk_key_algorithm
        client = self.settings.talkdesk_client_id
        claims = {"iss": client, "sub": client, "aud": self.settings.token_url, "iat": now, "exp": now + 60}
        claims["jti"] = secrets.token_urlsafe(32)
        header = {"alg": algorithm, "kid": self.settings.talkdesk_key_id}
        form = {
            "grant_type": "authorization_code",
            "code": request.query_params["code"],
            "redirect_uri": f"{self.settings.url}/talkdesk/callback",
            "code_verifier": kept["verifier"],
            "client_assertion_type": ASSERTION,
            "client_assertion": jwt.encode(header, claims, self.talkdesk_key, algorithms=[algorithm]),
        }
        token = (await self.http.post(self.settings.token_url, data=form)).raise_for_status().json()
        bearer = {"Authorization": f"Bearer {token['access_token']}"}
        person = (await self.http.get(self.settings.userinfo_url, headers=bearer)).raise_for_status().json()
        code = secrets.token_urlsafe(32)
        asked = kept["request"]
        self.kept[code] = {"request": asked, "person": person}
        answer = {"code": code, "state": asked["state"], "iss": self.settings.issuer}
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(answer)}", 302)

    async def token(self, request: Request) -> Response:
        form = await request.form()
        _require(form.get("client_assertion_type") == ASSERTION)
        claims = await self._verified(str(form["client_assertion"]))
        _require(claims["iss"] == claims["sub"] == self.settings.client_id and claims["exp"] > time.time())
        audience = claims["aud"] if isinstance(claims["aud"], str) else claims["aud"][0]
        _require(audience in (f"{self.settings.issuer}/token", self.settings.issuer))
        _require(claims["jti"] not in self.jtis)
        self.jtis.add(claims["jti"])
        kept = self.kept.pop(str(form["code"]))
        _require(form["redirect_uri"] == kept["request"]["redirect_uri"])
        _require(_challenge(str(form["code_verifier"])) == kept["request"]["code_challenge"])
        header = {"alg": "RS256", "kid": "minimal", "typ": "JWT"}
        id_token = jwt.encode(header, self._claims(kept), self.key, algorithms=["RS256"])
        content = {"access_token": secrets.token_urlsafe(32), "token_type": "Bearer", "expires_in": 60}
        return JSONResponse({**content, "id_token": id_token}, headers={"Cache-Control": "no-store"})

    async def jwks(self, _: Request) -> Response:
        return JSONResponse(KeySet([self.key]).as_dict(private=False))

    async def launch_return(self, request: Request) -> Response:
        kept = self._arrive(request)
        _require(request.query_params.get("iss") == self.settings.realm_url)
        form = {
            "grant_type": "authorization_code",
            "code": request.query_params["code"],
            "redirect_uri": f"{self.settings.url}/launch/return",
            "code_verifier": kept["verifier"],
        }
        who = (self.settings.launch_client_id, self.settings.launch_client_secret)
        url = f"{self.settings.realm_url}/protocol/openid-connect/token"
        answer = (await self.http.post(url, data=form, auth=who)).raise_for_status().json()
        claims = await self._verified(answer["id_token"])
        _require(claims["iss"] == self.settings.realm_url and claims["nonce"] == kept["nonce"])
        _require(claims["aud"] == self.settings.launch_client_id and claims["exp"] > time.time())
        return RedirectResponse(f"{self.settings.start_url}?{urlencode({'iss': self.settings.realm_url})}", 302)

    def _claims(self, kept: dict[str, Any]) -> dict[str, Any]:
        person, now = kept["person"], int(time.time())
        given, _, family = person["name"].partition(" ")
        return {
            "iss": self.settings.issuer,
            "sub": f"talkdesk-minimal-{person['id']}",
            "aud": self.settings.client_id,
            "iat": now,
            "exp": now + 300,
            "sid": secrets.token_urlsafe(32),
            "nonce": kept["request"].get("nonce"),
            "preferred_username": f"talkdesk-minimal-{person['id']}",
            "given_name": given,
            "family_name": family,
            "talkdesk_account_id": self.settings.account,
            "talkdesk_user_id": person["id"],
            "talkdesk_sign_on": secrets.token_urlsafe(32),
        }

    def _depart(self, content: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
        state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        kept = {
            **content,
            "verifier": verifier,
            "nonce": secrets.token_urlsafe(32),
            "cookie": secrets.token_urlsafe(16),
        }
        self.kept[state] = kept
        return state, verifier, kept

    def _arrive(self, request: Request) -> dict[str, Any]:
        kept: dict[str, Any] = self.kept.pop(request.query_params["state"])
        _require(f"__Host-{kept['cookie'][:8]}" in request.cookies)
        return kept

    async def _verified(self, token: str) -> dict[str, Any]:
        if self.realm_keys is None:
            answer = await self.http.get(f"{self.settings.realm_url}/protocol/openid-connect/certs")
            self.realm_keys = KeySet.import_key_set(
                {"keys": [key for key in answer.json()["keys"] if key["use"] == "sig"]}
            )
        key = self.realm_keys.get_by_kid(jws.extract_compact(token.encode()).headers()["kid"])
        return dict(jwt.decode(token, key, algorithms=["RS256"]).claims)


async def _live(_: Request) -> Response:
    return Response()


async def _take(_: Request) -> Response:
    """The install, whose credentials it has from its settings."""
    return Response(status_code=202)


def _bound(response: Response, kept: dict[str, Any]) -> Response:
    name = f"__Host-{kept['cookie'][:8]}"
    response.set_cookie(name, kept["cookie"], path="/", secure=True, httponly=True, samesite="lax")
    return response


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _require(holds: bool) -> None:
    if not holds:
        raise ValueError("refused")


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["serve"])
    parser.add_argument("--port", type=int, required=True)
    settings = Settings(**json.loads(Path(os.environ["MINIMAL_ISSUER"]).read_text()))
    uvicorn.run(
        MinimalIssuer(settings).application(),
        port=parser.parse_args().port,
        loop="uvloop",
        http="httptools",
        lifespan="off",
        log_level="warning",
        access_log=False,
    )


if __name__ == "__main__":
    main()
