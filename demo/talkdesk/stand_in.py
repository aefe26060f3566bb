"""The stand-in as one object: put together, started, stopped; driven by the methods of `Actions`.

    talkdesk = StandIn(apps=apps_at(broker_url))
    await talkdesk.start()
    installation = await talkdesk.install(ACME, talkdesk.app("Wallboard"))
    await talkdesk.until_answered(installation)
    talkdesk.sign_in(browser, ANA)
    page = await browser.open(talkdesk.launch_url(installation, ANA))

It listens on loopback. Links in events may name other hosts (`page_url`, `gateway_url`, `account_url`), behind which
somebody else terminates TLS and passes everything on to `url`.
"""

import ssl
from collections.abc import Callable, Iterable
from typing import Protocol

from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles

from demo.http_client import http_client
from demo.server import HttpServer
from demo.talkdesk import (
    apps_api,
    control,
    oauth_authorize,
    oauth_token,
    pages,
    sign_in,
    signature_keys,
    userinfo,
    web_page,
)
from demo.talkdesk.actions import Actions
from demo.talkdesk.delivery import Courier
from demo.talkdesk.model import Account, ApiCall, App, Delivery, Installation, InstallationState, User
from demo.talkdesk.people import ACCOUNTS
from demo.talkdesk.refusal import Refusal, answer_refusal
from demo.talkdesk.state import Addresses, Clock, State, system_clock
from demo.talkdesk.variants import Variants
from demo.talkdesk.wire import Endpoint, Faults, Wire


class CookieJar(Protocol):
    """A browser, as far as signing in needs one."""

    def take_cookie(self, url: str, set_cookie: str) -> None: ...


class StandIn(Actions):
    """Talkdesk on loopback: a real HTTP server with real keys and signatures."""

    def __init__(
        self,
        *,
        apps: Iterable[App],
        accounts: Iterable[Account] = ACCOUNTS,
        variants: Variants | None = None,
        port: int = 0,
        page_url: str | None = None,
        gateway_url: str | None = None,
        account_url: str | None = None,
        cookie_domain: str | None = None,
        clock: Clock = system_clock,
        retry_factor: float = 1.0,
        tls: ssl.SSLContext | None = None,
        trust_env: bool = False,
    ) -> None:
        self._server = HttpServer(port=port)
        self.url = self._server.url
        self.faults = Faults()
        state = State(
            addresses=Addresses(page_url or self.url, gateway_url, account_url),
            accounts=accounts,
            apps=apps,
            variants=variants or Variants(),
            clock=clock,
            cookie_domain=cookie_domain,
        )
        self._client = http_client(tls=tls, trust_env=trust_env, seconds=10)
        super().__init__(state, Courier(state, self._client, retry_factor))
        self._wire = Wire(_application(self, self.faults), state, self.faults)

    async def start(self) -> None:
        await self._server.start(self._wire)

    async def stop(self) -> None:
        self.faults.clear()
        await self.stop_actions()
        await self._server.stop()
        await self._client.aclose()

    @property
    def deliveries(self) -> list[Delivery]:
        """Everything that was sent, with the answers, in order."""
        return self.state.deliveries

    @property
    def calls(self) -> list[ApiCall]:
        """Everything that was asked of Talkdesk, with the answers, in order."""
        return self.state.calls

    def calls_to(self, endpoint: Endpoint) -> list[ApiCall]:
        return [call for call in self.calls if call.endpoint == endpoint]

    def app(self, name: str) -> App:
        return next(app for app in self.state.apps.values() if app.name == name)

    def register(self, app: App) -> None:
        """Add an app, or give a registered one other addresses, wherever it is installed."""
        self.state.apps[app.id] = app
        for installation in self.state.installations.values():
            if installation.app.id == app.id:
                installation.app = app

    def new_event_key(self) -> str:
        """Events are signed with a new key from here on. Gives its id."""
        return self.state.add_event_key().id

    def refuse_next_authorization(self, error: str = "access_denied") -> None:
        """The next authorization request is answered with this error, at the redirect URL."""
        self.state.next_authorization_error = error

    def sign_in(self, browser: CookieJar, user: User) -> None:
        """`user` is signed in to Talkdesk in this browser; whoever was before is not any more."""
        browser.take_cookie(self.state.addresses.page, sign_in.cookie_header(self.state, self.start_session(user)))

    def launch_url(self, installation: Installation, user: User) -> str:
        """What a click on the app's icon opens."""
        return web_page.launch_url(installation, user)

    async def wait_until(self, condition: Callable[[], bool], *, what: str, seconds: float = 10) -> None:
        """Return as soon as the condition holds; asked again after every delivery and call."""
        await self.state.wait_until(condition, what=what, seconds=seconds)

    async def until_answered(
        self, installation: Installation, answer: InstallationState = InstallationState.APPROVED, seconds: float = 10
    ) -> None:
        """Until the app has approved (or rejected) the installation."""
        what = f"{installation.app.name} in {installation.account.name} {answer}"
        await self.wait_until(lambda: installation.state is answer, what=what, seconds=seconds)


def _application(actions: Actions, faults: Faults) -> FastAPI:
    state = actions.state
    application = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    application.add_exception_handler(Refusal, answer_refusal)
    application.mount("/assets", StaticFiles(directory=pages.ASSETS))
    for router in (
        web_page.routes(actions),
        control.routes(actions, faults),
        userinfo.routes(state),
        signature_keys.routes(state),
        apps_api.routes(state),
        oauth_authorize.routes(state),
        oauth_token.routes(state),
        sign_in.routes(state, actions, oauth_authorize.cancelled),
    ):
        application.include_router(router)
    return application
