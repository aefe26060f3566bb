"""What every answer gets, whichever route it comes from."""

import ipaddress
import re
import secrets
from collections.abc import Collection

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from broker.web.draining import Draining

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_CLOSED_AFTER = ("/oidc/", "/relay/")

REQUEST_ID = "X-Request-Id"
_REQUEST_ID = re.compile(r"[A-Za-z0-9-]{8,64}")


class RequestIds:
    """One id a request: in all its log lines, and in the answer. A trusted proxy's own is taken where it is harmless.

    Anybody else could give many requests one id, and so hide among them.

    Wraps everything else, the answer to a failure that nobody expected included.
    """

    def __init__(self, app: ASGIApp, trusted: Collection[Network]) -> None:
        """Wrap the application. `trusted`: where proxies of ours are."""
        self.app = app
        self._trusted = tuple(trusted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID, "") if self._is_from_proxy(scope) else ""
        request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            await self.app(scope, receive, send_with_id)

    def _is_from_proxy(self, scope: Scope) -> bool:
        try:
            address = ipaddress.ip_address((scope.get("client") or ("",))[0])
        except ValueError:
            return False
        return any(address in network for network in self._trusted)


class EveryAnswer:
    """Default security headers, and `Connection: close` on what Keycloak calls, and on everything while the process drains.

    Keycloak pools its connections to us and repeats no POST: after a restart of ours its first call would meet a dead one.
    """

    def __init__(self, app: ASGIApp, draining: Draining) -> None:
        """Wrap the application."""
        self.app = app
        self._draining = draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
                headers.setdefault("Cache-Control", "no-store")
                headers.setdefault("Referrer-Policy", "no-referrer")
                headers.setdefault("X-Content-Type-Options", "nosniff")
                if self._draining.has_begun or scope["path"].startswith(_CLOSED_AFTER):
                    headers["Connection"] = "close"
            await send(message)

        await self.app(scope, receive, send_with_headers)
