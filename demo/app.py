"""A web app behind Keycloak, on a stock OpenID Connect library (authlib). It knows nothing of Talkdesk's protocol.

To connect an app takes what is between the two lines of dashes: the registration of Keycloak, a login that always
starts a new request, a callback, and back-channel logout. The rest shows who is signed in.
Left to `app_sessions.py`: who is signed in, on the server's side. Left to `logout_tokens.py`: is that token Keycloak's?
Specifications: OpenID Connect Core 1.0 sections 3.1 and 4 (login started by a third party), Back-Channel Logout 1.0.
"""

import argparse
import asyncio
import contextlib
import re
import secrets
import signal
import ssl
from typing import Any

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.middleware.sessions import SessionMiddleware

from demo.app_page import home_page, problem_page
from demo.app_sessions import Session, Sessions
from demo.authlib_client import MismatchingStateError, OAuth, OAuthError
from demo.http_client import default_tls
from demo.logout_tokens import InvalidLogoutToken, LogoutTokens
from demo.server import HttpServer

AGAIN = "again."  # a state that starts with it belongs to a second try


def own_path(path: str) -> str:
    """A path of this app; its home where it is anything else, which a browser might take for another site."""
    return path if re.fullmatch(r"/[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*", path) else "/"


def build(
    *,
    name: str,
    issuer: str,
    client_id: str,
    client_secret: str,
    public_url: str,
    sessions: Sessions,
    tls: ssl.SSLContext | None = None,
) -> FastAPI:
    """The app itself. `public_url` is where browsers and Keycloak reach it."""
    # ------------------------------------------------------------------------------------------------------------------
    keycloak: Any = OAuth().register(
        name="keycloak",
        server_metadata_url=f"{issuer}/.well-known/openid-configuration",
        client_id=client_id,
        client_secret=client_secret,
        client_kwargs={
            "scope": "openid",
            "code_challenge_method": "S256",
            "verify": tls or default_tls(),
            "trust_env": False,
        },
    )
    logout_tokens = LogoutTokens(issuer=issuer, client_id=client_id, fetch_keys=keycloak.fetch_jwk_set)
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    @app.get("/login")
    async def login(request: Request) -> Response:
        """Always a new request, whoever is signed in here: Keycloak knows who it is now."""
        if request.query_params.get("iss", issuer) != issuer:
            return problem_page(name, "This app signs people on with its own Keycloak only.")
        state = (AGAIN if "again" in request.query_params else "") + secrets.token_urlsafe(24)
        request.session["go_to"] = go_to = own_path(request.query_params.get("go_to", "/"))
        # To come back there without a launch: the way in that was used last in this browser; a stale one does no harm.
        alias = request.session.get("alias")
        hint = {"kc_idp_hint": alias} if alias and go_to != "/" else {}
        redirect: Response = await keycloak.authorize_redirect(request, f"{public_url}/callback", state=state, **hint)
        return redirect

    @app.get("/callback")
    async def callback(request: Request) -> Response:
        tokens = await keycloak.authorize_access_token(request)  # checks state, code, PKCE, ID token and nonce
        sessions.end(request.session.get("key"))
        request.session["key"] = sessions.begin(tokens["userinfo"], tokens["id_token"])
        request.session["alias"] = tokens["userinfo"].get("identity_provider")
        return RedirectResponse(own_path(request.session.pop("go_to", "/")), 303)

    @app.post("/backchannel-logout")
    async def backchannel_logout(request: Request) -> Response:
        """Keycloak says that a session is over, without the browser."""
        form = await request.form()
        over = await logout_tokens.verify(str(form.get("logout_token", "")))
        sessions.end_all(sid=over.sid, sub=over.sub)
        return Response(status_code=200, headers={"Cache-Control": "no-store"})

    # ------------------------------------------------------------------------------------------------------------------

    @app.get("/")
    async def home(request: Request) -> Response:
        return home_page(name, sessions.find(request.session.get("key")))

    @app.get("/boards/{board}")
    async def board(request: Request, board: int) -> Response:
        """A page that somebody may have bookmarked: who is not signed in comes back to it."""
        session = sessions.find(request.session.get("key"))
        return (
            home_page(f"{name}, board {board}", session)
            if session
            else RedirectResponse(f"/login?go_to=/boards/{board}", 303)
        )

    @app.post("/logout")
    async def logout(request: Request) -> Response:
        """Out of this app and of Keycloak; Keycloak tells the other apps."""
        session = sessions.end(request.session.pop("key", None))
        if session is None:
            return RedirectResponse("/", 303)
        home_url = f"{public_url}/"
        redirect: Response = await keycloak.logout_redirect(request, home_url, id_token_hint=session.id_token)
        return redirect

    @app.exception_handler(MismatchingStateError)
    async def two_tabs(request: Request, error: Exception) -> Response:
        """authlib keeps one request per browser: of two tabs that sign on at once, the first comes back to nothing."""
        if sessions.find(request.session.get("key")):
            return RedirectResponse("/", 303)
        if not request.query_params.get("state", "").startswith(AGAIN):
            return RedirectResponse("/login?again=1", 303)
        return problem_page(name, "This browser did not start this sign-on.")

    @app.exception_handler(OAuthError)
    async def refused(request: Request, error: Exception) -> Response:
        return problem_page(name, f"Keycloak refused: {error}")

    @app.exception_handler(InvalidLogoutToken)
    async def no_logout(request: Request, error: Exception) -> Response:
        content = {"error": "invalid_request", "error_description": str(error)}
        return JSONResponse(content, 400, headers={"Cache-Control": "no-store"})

    @app.exception_handler(httpx.HTTPError)
    async def unreachable(request: Request, error: Exception) -> Response:
        return problem_page(name, "Keycloak can't be reached.", 503)

    is_https = public_url.startswith("https:")
    app.add_middleware(
        SessionMiddleware,
        secret_key=secrets.token_urlsafe(32),
        session_cookie=f"{'__Host-' if is_https else ''}{client_id}-session",  # cookies don't know ports
        max_age=None,
        https_only=is_https,
    )
    return app


class DownstreamApp:
    """The app with a server of its own: `await start()`, `await stop()`; `url` is known before."""

    def __init__(
        self,
        *,
        name: str,
        issuer: str,
        client_id: str,
        client_secret: str,
        port: int = 0,
        public_url: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.name = name
        self.client_id = client_id
        self.client_secret = client_secret
        self.sessions = Sessions()
        self._server = HttpServer(port=port)
        self.url = (public_url or self._server.url).rstrip("/")
        self.listens_at = self._server.url
        self.application = build(
            name=name,
            issuer=issuer,
            client_id=client_id,
            client_secret=client_secret,
            public_url=self.url,
            sessions=self.sessions,
            tls=tls,
        )

    @property
    def start_url(self) -> str:
        """Where a launch ends (`start_url` in the broker's `CONFIG_FILE`)."""
        return f"{self.url}/login"

    @property
    def redirect_uri(self) -> str:
        return f"{self.url}/callback"

    @property
    def backchannel_logout_url(self) -> str:
        return f"{self.url}/backchannel-logout"

    @property
    def signed_in(self) -> list[Session]:
        """Everybody who is signed in, in whichever browser."""
        return self.sessions.all()

    async def start(self) -> None:
        await self._server.start(self.application)

    async def stop(self) -> None:
        await self._server.stop()


async def _run(arguments: argparse.Namespace) -> None:
    app = DownstreamApp(**vars(arguments))
    stopped = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, stopped.set)
    await app.start()
    print(f"{app.name}: {app.url}/", flush=True)
    await stopped.wait()
    await app.stop()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m demo.app", description="A downstream app.")
    parser.add_argument("--port", type=int, default=0)
    for option in ("--name", "--issuer", "--client-id", "--client-secret"):
        parser.add_argument(option, required=True)
    parser.add_argument("--public-url", help="where browsers and Keycloak reach it; default: where it listens")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
