"""What every answer gets, whichever route it comes from."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_CLOSED_AFTER = "/oidc/"


class EveryAnswer:
    """Default security headers, and `Connection: close` on what Keycloak calls.

    Keycloak pools its connections to us and repeats no POST: after a restart of ours its first call would meet a dead one.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
                headers.setdefault("Cache-Control", "no-store")
                headers.setdefault("Referrer-Policy", "no-referrer")
                headers.setdefault("X-Content-Type-Options", "nosniff")
                if scope["path"].startswith(_CLOSED_AFTER):
                    headers["Connection"] = "close"
            await send(message)

        await self._app(scope, receive, send_with_headers)
