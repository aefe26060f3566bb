"""The server: puts the endpoints together, and is what a test holds in its hand."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from starlette.applications import Starlette
from starlette.routing import Mount

from demo.http_client import http_client
from demo.server import HttpServer
from tests.fakes.keycloak.admin import ROLE, AdminEndpoints
from tests.fakes.keycloak.browser import BrowserEndpoints
from tests.fakes.keycloak.inspection import InspectionEndpoints
from tests.fakes.keycloak.logout import SESSIONS_ROLE, LogoutEndpoints
from tests.fakes.keycloak.model import (
    BROKER_CLIENT,
    LAUNCH_CLIENT,
    REALM,
    SHARED_NOTES,
    Client,
    Json,
    Provider,
    Session,
    User,
)
from tests.fakes.keycloak.realm import Realm
from tests.fakes.keycloak.tokens import TokenEndpoints
from tests.fakes.keycloak.upstream import Upstream
from tests.fakes.keycloak.users import ROLE as USERS_ROLE
from tests.fakes.keycloak.users import UserEndpoints
from tests.fakes.keycloak.wire import Recorded, Silence, Wire

APP_TIMEOUT_S = 5.0
"""How long Keycloak waits for an app that is told of a logout."""


@dataclass(frozen=True)
class BrokerClients:
    """The broker's two clients."""

    launch_redirect_uris: tuple[str, ...] = ()
    """May be given later, by `set_launch_redirect_uris`."""
    launch_secret: str = "secret-of-launch"
    broker_secret: str = "secret-of-broker"


class KeycloakImitation:
    """A Keycloak 26.7.3 with the realm `talkdesk`, as far as the broker touches it; runs in the event loop of the test."""

    def __init__(
        self, broker_clients: BrokerClients | None = None, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        """Takes its port at once, so that `url` is known before it runs."""
        clients = broker_clients or BrokerClients()
        self._server = HttpServer()
        self.url = self._server.url
        self._realm = Realm(
            self.url,
            [
                Client(LAUNCH_CLIENT, clients.launch_secret, clients.launch_redirect_uris, notes=None),
                Client(BROKER_CLIENT, clients.broker_secret, roles=(ROLE,)),
            ],
            clock,
        )
        self.realm_url = self._realm.issuer
        self._outgoing = http_client(seconds=APP_TIMEOUT_S)
        self._wire = self._build()

    async def __aenter__(self) -> Self:
        await self._server.start(self._wire)
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self.down()
        await self._outgoing.aclose()

    async def down(self) -> None:
        """Stop listening; what the realm knows stays. What hangs is released first."""
        self._wire.release()
        await self._server.stop()

    async def up(self) -> None:
        """Listen again, at the same address."""
        self._server = HttpServer(port=self._server.port)
        await self._server.start(self._wire)

    def register_app(
        self,
        client_id: str,
        secret: str,
        redirect_uris: tuple[str, ...],
        backchannel_logout_url: str | None = None,
        post_logout_redirect_uris: tuple[str, ...] = (),
        *,
        more_notes: tuple[str, ...] = (),
    ) -> None:
        """A confidential client with the claims of the client scope `talkdesk`, and those of mappers of its own."""
        self._realm.clients[client_id] = Client(
            client_id,
            secret,
            redirect_uris,
            backchannel_logout_url,
            (*SHARED_NOTES, *more_notes),
            post_logout_redirect_uris=post_logout_redirect_uris,
        )

    def set_launch_redirect_uris(self, *uris: str) -> None:
        """Where launches may come back to, once the broker's address is known."""
        self._realm.clients[LAUNCH_CLIENT].redirect_uris = uris

    def sessions(self) -> list[Session]:
        """Live sessions, oldest first."""
        return list(self._realm.sessions.values())

    def users(self) -> list[User]:
        """Users of the realm, oldest first."""
        return list(self._realm.users)

    def belong_to_a_company(self) -> None:
        """Mode existing: users are the company's, who sign in with a password; ours are only linked to them."""
        self._realm.only_links = True
        self._realm.clients[BROKER_CLIENT].roles = (ROLE, USERS_ROLE)

    def let_the_broker_end_sessions(self) -> None:
        """Its service account has the role for it, too."""
        self._realm.clients[BROKER_CLIENT].roles += (SESSIONS_ROLE,)

    def add_user(self, username: str, email: str | None = None) -> User:
        """A user of the realm's own, with no link."""
        user = User(username, email)
        self._realm.users.append(user)
        return user

    def sign(self, claims: Json, *, kind: str = "logout+jwt") -> str:
        """A token of the realm, by its key."""
        return self._realm.sign(claims, kind=kind)

    def add_provider(self, provider: Provider) -> None:
        """An identity provider that did not come by the admin API: somebody else's, or left over."""
        self._realm.providers[provider.alias] = provider

    def expire_sessions(self) -> None:
        """Every session is over by its age: no app is told, and the cookies stay."""
        for session in self.sessions():
            self._realm.end(session)

    def delete_provider(self, alias: str) -> None:
        """As an administrator does it in the console."""
        self._realm.delete_provider(alias)

    @property
    def clients(self) -> Mapping[str, Client]:
        """By client id."""
        return self._realm.clients

    @property
    def identity_providers(self) -> Mapping[str, Provider]:
        """By alias."""
        return self._realm.providers

    @property
    def requests(self) -> list[Recorded]:
        """Everything that was asked, in the order of the answers."""
        return self._wire.requests

    def writes(self) -> list[Recorded]:
        """Requests that change the realm through the admin API."""
        return [request for request in self.requests if request.path.startswith("/admin/") and request.method != "GET"]

    def fail(self, prefix: str, status: int, *, times: int = 1, method: str | None = None) -> None:
        """The next requests whose path starts so are answered with this status, and nothing is done."""
        self._wire.fault(prefix, status, times, method)

    def hang(self, prefix: str, *, times: int = 1, method: str | None = None) -> None:
        """The next requests whose path starts so wait for `release`."""
        self._wire.fault(prefix, Silence.HANG, times, method)

    def drop(self, prefix: str, *, times: int = 1, method: str | None = None, after_work: bool = False) -> None:
        """The next requests whose path starts so lose their connection, before or after what they ask for is done."""
        self._wire.fault(prefix, Silence.DROP_AFTER_WORK if after_work else Silence.DROP, times, method)

    async def hangs(self) -> None:
        """Wait until a request hangs."""
        await self._wire.hangs()

    def release(self) -> None:
        """Forget the faults that were asked for; what hangs goes on."""
        self._wire.release()

    def _build(self) -> Wire:
        upstream = Upstream(self._realm, self._outgoing)
        logout = LogoutEndpoints(self._realm, upstream, self._outgoing)
        inspection = InspectionEndpoints(self._realm, self._outgoing)
        realm_routes = [
            *BrowserEndpoints(self._realm, upstream).routes(),
            *TokenEndpoints(self._realm).routes(),
            *logout.routes(),
        ]
        admin_routes = [
            *AdminEndpoints(self._realm).routes(),
            *UserEndpoints(self._realm).routes(),
            *logout.admin_routes(),
            *inspection.of_realm(),
        ]
        return Wire(
            Starlette(
                routes=[
                    Mount(f"/realms/{REALM}", routes=realm_routes),
                    Mount(f"/admin/realms/{REALM}", routes=admin_routes),
                    *inspection.of_server(),
                ]
            )
        )
