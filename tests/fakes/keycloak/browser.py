"""What a browser meets: authorization endpoint, the trip to an identity provider and back, first login.

Follows docs/keycloak.md: T1 (a live session wins over the hint), T3, T5 (logins go by cookie), T7, T11, "First login", "Launches".
"""

import re
import secrets
import uuid
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tests.fakes.keycloak.model import FIRST_LOGIN_FLOW, LAUNCH_CLIENT, Code, Provider, Root, Session, Tab, User
from tests.fakes.keycloak.pages import (
    IDENTITY_COOKIE,
    LOGIN_COOKIE,
    open_from_talkdesk,
    page,
    password_form,
    set_cookie,
)
from tests.fakes.keycloak.realm import Realm
from tests.fakes.keycloak.sign_on import notes_of, s256, take_names
from tests.fakes.keycloak.upstream import Upstream, UpstreamRefused

_MINTED = re.compile(r"talkdesk-.+")


class BrowserEndpoints:
    """The pages and redirects of a login."""

    def __init__(self, realm: Realm, upstream: Upstream) -> None:
        self._realm = realm
        self._upstream = upstream

    def routes(self) -> list[Route]:
        return [
            Route("/protocol/openid-connect/auth", self.auth),
            Route("/broker/{alias}/login", self.to_provider),
            Route("/broker/{alias}/endpoint", self.from_provider),
            Route("/login-actions/authenticate", self.sign_in, methods=["POST"]),
            Route("/login-actions/first-broker-login", self.first_login),
            Route("/broker/{alias}/after-first-broker-login", self.after_first_login),
        ]

    async def auth(self, request: Request) -> Response:
        """A client sends the browser: a live session answers at once, else the hint says where to."""
        query = request.query_params
        client = self._realm.clients.get(query.get("client_id", ""))
        if client is None or not client.redirect_uris:
            return page(400, "Client not found.")
        redirect_uri = query.get("redirect_uri", "")
        if not client.allows(redirect_uri):
            return page(400, "Invalid parameter: redirect_uri")
        state, nonce, challenge = query.get("state"), query.get("nonce"), query.get("code_challenge")
        tab = Tab(client, redirect_uri, state, nonce, query.get("scope", ""), challenge, extra=dict(query))
        if query.get("response_type") != "code" or (challenge and query.get("code_challenge_method") != "S256"):
            return RedirectResponse(tab.answer({"error": "invalid_request", "iss": self._realm.issuer}), 302)
        session = self._realm.session_of(request.cookies.get(IDENTITY_COOKIE))
        if session:
            return self._answer_client(tab, session, acr="0")
        if query.get("prompt") == "none":
            return RedirectResponse(tab.answer({"error": "login_required", "iss": self._realm.issuer}), 302)
        return self._begin(request, tab, query.get("kc_idp_hint"))

    def _nobody(self, tab: Tab, tab_id: str) -> Response:
        """Nobody is signed on, and no identity provider is left to ask: our page, or a company's password form."""
        if self._realm.only_links:
            code = urlencode({"session_code": tab_id})
            return password_form(f"{self._realm.issuer}/login-actions/authenticate?{code}")
        resume_url = self._realm.resume_url
        return open_from_talkdesk(None if tab.client.id == LAUNCH_CLIENT else resume_url)

    def _begin(self, request: Request, tab: Tab, hint: str | None) -> Response:
        root = self._realm.root_of(request.cookies.get(LOGIN_COOKIE))
        tab_id = secrets.token_urlsafe(8)
        root.tabs[tab_id] = tab
        provider = self._realm.open_provider(hint)
        response = self._step(f"broker/{provider.alias}/login", tab_id) if provider else self._nobody(tab, tab_id)
        set_cookie(response, LOGIN_COOKIE, root.cookie)
        return response

    async def sign_in(self, request: Request) -> Response:
        """The password form came back: a session that no identity provider vouched for."""
        found = self._login_under_way(request)
        if found is None:
            return page(400, "We are sorry... Page has expired")
        form, (root, tab) = await request.form(), found
        user = next((user for user in self._realm.users if user.username == form.get("username")), None)
        if user is None or not user.is_enabled or user.password is None or user.password != form.get("password"):
            return password_form()
        session = Session(
            id=root.id,
            cookie=secrets.token_urlsafe(32),
            user=user,
            alias="",
            upstream_sid=None,
            upstream_sub="",
            begun_at=self._realm.clock(),
        )
        self._realm.sessions[session.id] = session
        return self._answer_client(tab, session, acr="1")

    async def to_provider(self, request: Request) -> Response:
        """Off to the identity provider."""
        provider = self._realm.open_provider(request.path_params["alias"])
        found = self._login_under_way(request)
        if provider is None or found is None:
            return page(400, "We are sorry... Page has expired")
        tab = found[1]
        tab.alias = provider.alias
        tab.upstream_state, tab.upstream_nonce = secrets.token_urlsafe(150), secrets.token_urlsafe(16)
        config = provider.config
        parameters = {
            "scope": config.get("defaultScope", "openid"),
            "state": tab.upstream_state,
            "response_type": "code",
            "client_id": config["clientId"],
            "redirect_uri": f"{self._realm.issuer}/broker/{provider.alias}/endpoint",
            "nonce": tab.upstream_nonce,
        }
        if config.get("pkceEnabled") == "true":
            tab.code_verifier = secrets.token_urlsafe(48)
            parameters |= {"code_challenge": s256(tab.code_verifier), "code_challenge_method": "S256"}
        parameters |= {
            name: tab.extra[name] for name in config.get("forwardParameters", "").split(",") if name in tab.extra
        }
        return RedirectResponse(f"{config['authorizationUrl']}?{urlencode(parameters)}", 303)

    async def from_provider(self, request: Request) -> Response:
        """Back from the identity provider: the state must be this browser's, and works once."""
        query, alias = request.query_params, request.path_params["alias"]
        provider = self._realm.open_provider(alias)
        root = self._realm.roots.get(request.cookies.get(LOGIN_COOKIE, ""))
        state = query.get("state") or "none"
        tabs = root.tabs.items() if root else ()
        tab_id, tab = next(
            (item for item in tabs if (item[1].alias, item[1].upstream_state) == (alias, state)), ("", None)
        )
        if provider is None or root is None or tab is None:
            return page(400, "Invalid code, please login again through your application")
        if "error" in query:
            return self._nobody(tab, tab_id)
        try:
            tab.identity = await self._upstream.redeem(provider, tab, query.get("code", ""))
        except UpstreamRefused:
            return page(502, "Unexpected error when authenticating with identity provider")
        user = self._realm.user_linked_to(alias, tab.identity.sub)
        if user is None:
            return self._step("login-actions/first-broker-login", tab_id)
        return self._finish(root, tab_id, provider, user)

    async def first_login(self, request: Request) -> Response:
        """Flow `talkdesk first login`: create, or link to a user that was minted this way before; anybody else is refused.

        In a realm of somebody else's: link to whoever has that name, create nobody.
        """
        found = self._login_under_way(request)
        provider = self._realm.open_provider(found[1].alias) if found else None
        if found is None or provider is None or found[1].identity is None:
            return page(400, "We are sorry... Page has expired")
        if provider.sent.get("firstBrokerLoginFlowAlias") != FIRST_LOGIN_FLOW:
            return page(200, "Update Account Information")
        identity = found[1].identity
        user = self._realm.user_like(identity.claims.get("email"), identity.username)
        if self._realm.only_links:
            if user is None:
                return page(401, "Access denied")
        elif user is None:
            user = User(identity.username, identity.claims.get("email"))
            take_names(user, identity)
            self._realm.users.append(user)
        elif not _MINTED.fullmatch(user.username):
            return page(401, "Access denied")
        elif provider.alias in self._realm.deleted_aliases and user.sign_ons[provider.alias] > 1:
            return page(500, "An internal server error has occurred")  # T3
        user.links[provider.alias] = identity.sub
        found[1].is_first_login = True
        return self._step(f"broker/{provider.alias}/after-first-broker-login", request.query_params["session_code"])

    async def after_first_login(self, request: Request) -> Response:
        """The user is linked: on to the client."""
        found = self._login_under_way(request)
        provider = self._realm.open_provider(request.path_params["alias"])
        identity = found[1].identity if found else None
        user = self._realm.user_linked_to(provider.alias, identity.sub) if provider and identity else None
        if found is None or provider is None or user is None:
            return page(400, "We are sorry... Page has expired")
        return self._finish(found[0], request.query_params["session_code"], provider, user)

    def _finish(self, root: Root, tab_id: str, provider: Provider, user: User) -> Response:
        tab = root.tabs.get(tab_id)
        identity = tab.identity if tab else None
        # Its session ended (T12), or a repeat of it arrived, while the token call was under way.
        if tab is None or identity is None or root.cookie not in self._realm.roots:
            return page(400, "We are sorry... Page has expired")
        session = self._realm.sessions.get(root.id)
        if session and session.user is not user:
            return page(400, "You are already authenticated as different user in this session")
        if not user.is_enabled:
            return page(400, "Account is disabled, contact your administrator.")
        if provider.config.get("syncMode") == "FORCE":
            take_names(user, identity)
        if not user.has_acceptable_names:
            return page(200, "Update Account Information")
        if session is None:
            session = Session(
                id=root.id,
                cookie=secrets.token_urlsafe(32),
                user=user,
                alias=provider.alias,
                upstream_sid=identity.sid,
                upstream_sub=identity.sub,
                begun_at=self._realm.clock(),
            )
            self._realm.sessions[session.id] = session
        session.notes |= notes_of(provider, identity, is_first_login=tab.is_first_login)
        user.sign_ons[provider.alias] += 1
        del root.tabs[tab_id]
        return self._answer_client(tab, session, acr="1")

    def _answer_client(self, tab: Tab, session: Session, *, acr: str) -> Response:
        code = f"{uuid.uuid4()}.{session.id}.{uuid.uuid4()}"
        self._realm.codes[code] = Code(tab, session.id, acr, self._realm.clock())
        session.clients[tab.client.id] = tab.client
        answer = {"session_state": session.id, "iss": self._realm.issuer, "code": code}
        response = RedirectResponse(tab.answer(answer), 302)
        set_cookie(response, IDENTITY_COOKIE, session.cookie)
        return response

    def _login_under_way(self, request: Request) -> tuple[Root, Tab] | None:
        """By the browser's cookie: logins that started in the same instant overwrite each other's (T5)."""
        root = self._realm.roots.get(request.cookies.get(LOGIN_COOKIE, ""))
        tab = root.tabs.get(request.query_params.get("session_code", "")) if root else None
        return (root, tab) if root and tab else None

    def _step(self, path: str, tab_id: str) -> Response:
        return RedirectResponse(f"{self._realm.issuer}/{path}?{urlencode({'session_code': tab_id})}", 303)
