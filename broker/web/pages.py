"""Pages: server-rendered, nothing from elsewhere, everything escaped; and the headers that go with them.

No page needs a script. The one script there is puts launches of one browser in line, and the page goes on without it too.
"""

import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from broker.model.browser import Cookie, surplus
from broker.model.outcome import GoOn, Outcome, Redirect
from broker.settings import App, Support

LONGEST_WAIT_IN_LINE_MS = 8000
"""A launch that waited this long for another one goes on all the same."""


@dataclass(frozen=True)
class ErrorPage:
    """What an error page says."""

    status: int
    sentence: str
    reference: str | None = None
    app: App | None = None
    """Whose page it is; None where it is not known."""
    support: Support | None = None
    try_again: bool = False


class Pages:
    """Renders outcomes and errors."""

    def __init__(self) -> None:
        """Read the templates, once."""
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("broker.web"), autoescape=True, undefined=jinja2.StrictUndefined
        )

    def outcome(self, request: Request, outcome: Outcome) -> Response:
        """Where a launch or sign-on goes next."""
        if isinstance(outcome, Redirect):
            response: Response = RedirectResponse(outcome.url, status_code=302)
            response.headers.update(_headers("default-src 'none'"))
        else:
            response = self._go_on(outcome)
        for name in surplus(request.cookies) if outcome.set_cookies else ():
            _clear(response, name)
        if outcome.clear_cookie:
            _clear(response, outcome.clear_cookie)
        for cookie in outcome.set_cookies:
            _set(response, cookie)
        return response

    def error(self, page: ErrorPage) -> Response:
        """The error page."""
        return self._page("error.html", page.status, {"page": page, "mail": _mail(page)})

    def _go_on(self, outcome: GoOn) -> Response:
        if not outcome.in_line:
            response = self._page("go_on.html", 200, {"page": outcome, "nonce": None, "wait_ms": 0})
            response.headers["Refresh"] = f"{outcome.after_s};url={outcome.url}"
            return response
        nonce = secrets.token_urlsafe(16)
        content = {"page": outcome, "nonce": nonce, "wait_ms": LONGEST_WAIT_IN_LINE_MS}
        return self._page("go_on.html", 200, content, script=f"script-src 'nonce-{nonce}'")

    def _page(self, name: str, status: int, content: dict[str, Any], script: str = "") -> HTMLResponse:
        style_nonce = secrets.token_urlsafe(16)
        text = self._templates.get_template(name).render(style_nonce=style_nonce, **content)
        policy = f"default-src 'none'; style-src 'nonce-{style_nonce}'; {script}"
        return HTMLResponse(text, status_code=status, headers=_headers(policy.rstrip("; ")))


def _headers(policy: str) -> dict[str, str]:
    return {
        "Content-Security-Policy": f"{policy}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }


def _mail(page: ErrorPage) -> str | None:
    if page.support is None or page.support.email is None:
        return None
    app = page.app.name if page.app else "app"
    subject = f"{app}: sign-on from Talkdesk, reference {page.reference}"
    return f"mailto:{page.support.email}?{urlencode({'subject': subject}).replace('+', '%20')}"


def _set(response: Response, cookie: Cookie) -> None:
    response.set_cookie(
        cookie.name, cookie.value, max_age=cookie.max_age_s, path="/", secure=True, httponly=True, samesite="lax"
    )


def _clear(response: Response, name: str) -> None:
    response.delete_cookie(name, path="/", secure=True, httponly=True, samesite="lax")
