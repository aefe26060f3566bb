"""Logout: asked for by a client in the browser, told by an identity provider, passed on to apps.

Follows docs/keycloak.md "Logout" and T6; OpenID Connect RP-Initiated Logout 1.0 and Back-Channel Logout 1.0.
"""

import uuid
from urllib.parse import urlencode

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.fakes.keycloak.admin import refusal
from tests.fakes.keycloak.model import Client, Json, Provider, Session
from tests.fakes.keycloak.pages import IDENTITY_COOKIE, page, set_cookie
from tests.fakes.keycloak.realm import Realm
from tests.fakes.keycloak.upstream import Upstream, UpstreamRefused, has_audience, unverified_claims

EVENT = "http://schemas.openid.net/event/backchannel-logout"
TOKEN_LIFETIME_S = 120
SESSIONS_ROLE = "manage-users"


class LogoutEndpoints:
    """Ends of sessions."""

    def __init__(self, realm: Realm, upstream: Upstream, client: httpx.AsyncClient) -> None:
        self._realm = realm
        self._upstream = upstream
        self._client = client

    def routes(self) -> list[Route]:
        return [
            Route("/protocol/openid-connect/logout", self.by_client),
            Route("/protocol/openid-connect/logout/backchannel-logout", self.by_provider, methods=["POST"]),
        ]

    def admin_routes(self) -> list[Route]:
        return [Route("/sessions/{id}", self.by_administrator, methods=["DELETE"])]

    async def by_administrator(self, request: Request) -> Response:
        """One session, by its id, with the role `manage-users`; whether an app could be told does not show."""
        if refused := refusal(self._realm, request, SESSIONS_ROLE):
            return refused
        session = self._realm.sessions.get(request.path_params["id"])
        if session is None:
            return JSONResponse({"error": "Session not found"}, 404)
        await self._end([session])
        return Response(status_code=204)

    async def by_client(self, request: Request) -> Response:
        """RP-initiated: at once with the hint of a live session, else a page that asks."""
        query = request.query_params
        hint = self._realm.verify(query.get("id_token_hint", "")) or {}
        client = self._realm.clients.get(str(hint.get("aud")))
        redirect_uri = query.get("post_logout_redirect_uri")
        if redirect_uri is not None and (client is None or not client.allows_after_logout(redirect_uri)):
            return page(400, "Invalid redirect uri")
        session = self._realm.sessions.get(str(hint.get("sid")))
        if session is None:
            return page(200, "Do you want to log out?")
        await self._end([session])
        if redirect_uri is None:
            return page(200, "You are logged out")
        state = {"state": query["state"]} if "state" in query else {}
        separator = "&" if "?" in redirect_uri else "?"
        response = RedirectResponse(redirect_uri + (f"{separator}{urlencode(state)}" if state else ""), 302)
        set_cookie(response, IDENTITY_COOKIE, None)
        return response

    async def by_provider(self, request: Request) -> Response:
        """Back-channel, from an identity provider: found by the issuer, verified, then its sessions end."""
        token = str((await request.form()).get("logout_token", ""))
        issuer = unverified_claims(token).get("iss")
        providers = [provider for provider in self._realm.providers.values() if provider.config.get("issuer") == issuer]
        if not all(provider.is_enabled for provider in providers):
            return JSONResponse({"error": "unknown_error"}, 500)
        sessions: list[Session] | None = None
        for provider in providers:
            claims = await self._verified(provider, token)
            if claims is not None:
                sessions = (sessions or []) + self._matched(provider, claims)
        if sessions is None:
            return JSONResponse({"error": "invalid_request", "error_description": "Backchannel logout failed"}, 400)
        if not await self._end(sessions):
            return JSONResponse({"error": "server_error", "error_description": "Downstream logout failed"}, 504)
        return Response()

    async def _verified(self, provider: Provider, token: str) -> Json | None:
        """Claims of a logout token (Back-Channel Logout 1.0, section 2.6); None where it is not good."""
        try:
            claims = await self._upstream.verify(provider, token)
        except UpstreamRefused:
            return None
        events, expires_at = claims.get("events"), claims.get("exp")
        is_good = (
            has_audience(claims, provider.config["clientId"])
            and isinstance(events, dict)
            and EVENT in events
            and "iat" in claims
            and "jti" in claims
            and "nonce" not in claims
            and bool(claims.get("sid") or claims.get("sub"))
            and (expires_at is None or self._realm.clock().timestamp() < expires_at)
        )
        return claims if is_good else None

    def _matched(self, provider: Provider, claims: Json) -> list[Session]:
        """By the first `sid` of a session (T7); where there is a `sid`, `sub` is not looked at."""
        sessions = [session for session in self._realm.sessions.values() if session.alias == provider.alias]
        if claims.get("sid"):
            return [session for session in sessions if session.upstream_sid == claims["sid"]]
        return [session for session in sessions if session.upstream_sub == claims["sub"]]

    async def _end(self, sessions: list[Session]) -> bool:
        """Tell the apps, one after the other, and end them; False where one did not answer 200 or 204.

        In this order: a second request at the same instant still finds the session, and tells the apps once more.
        """
        are_told = True
        for session in sessions:
            for client in list(session.clients.values()):
                if client.backchannel_logout_url:
                    are_told = await self._tell(client, client.backchannel_logout_url, session) and are_told
            self._realm.end(session)
        return are_told

    async def _tell(self, client: Client, url: str, session: Session) -> bool:
        now = self._realm.now_s
        claims = {
            "iss": self._realm.issuer,
            "aud": client.id,
            "sub": session.user.id,
            "sid": session.id,
            "iat": now,
            "exp": now + TOKEN_LIFETIME_S,
            "jti": str(uuid.uuid4()),
            "typ": "Logout",
            "events": {EVENT: {}},
        }
        token = self._realm.sign(claims, kind="logout+jwt")
        try:
            answer = await self._client.post(url, data={"logout_token": token})
        except httpx.HTTPError:
            return False
        return answer.status_code in (200, 204)
