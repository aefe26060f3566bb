"""Pages: server-rendered, nothing from elsewhere, everything escaped; and the headers that go with them.

No page needs a script. The one script there is puts launches of one browser in line, and the page goes on without it too.
"""

import re
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from broker.model.browser import Cookie, surplus
from broker.model.failure import Reason
from broker.model.outcome import GoOn, Outcome, Redirect
from broker.settings import Support
from broker.web.languages import CanDo, Languages, Texts

LONGEST_WAIT_IN_LINE_MS = 8000
"""A launch that waited this long for another one goes on all the same."""

_NOT_FRAMABLE = "; frame-ancestors 'none'"


@dataclass(frozen=True)
class ErrorPage:
    """What an error page says."""

    status: int
    reason: Reason
    can_do: CanDo
    reference: str
    app_name: str | None = None
    """Whose page it is; None where it is not known."""
    support: Support | None = None
    again: str | None = None
    """Address that tries once more."""
    is_framed: bool = False
    """It is shown inside another page, and offers the way out of there."""


class Pages:
    """Renders outcomes and errors."""

    def __init__(self) -> None:
        """Read the templates and texts, once."""
        self._languages = Languages()
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("broker.web"), autoescape=True, undefined=jinja2.StrictUndefined
        )

    def outcome(self, request: Request, outcome: Outcome) -> Response:
        """Where a launch or sign-on goes next."""
        if isinstance(outcome, Redirect):
            response: Response = RedirectResponse(outcome.url, status_code=302)
            response.headers.update(_headers("default-src 'none'"))
        else:
            response = self._go_on(self._texts(request), outcome)
        for name in surplus(request.cookies) if outcome.set_cookies else ():
            _clear(response, name)
        if outcome.clear_cookie:
            _clear(response, outcome.clear_cookie)
        for cookie in outcome.set_cookies:
            _set(response, cookie)
        return response

    def error(self, request: Request, page: ErrorPage) -> Response:
        """The error page."""
        texts = self._texts(request)
        app = page.app_name or texts.page("app")
        content = {
            "page": page,
            "heading": texts.page("failed", app=app),
            "mail": _mail(page, texts.page("subject", app=app, reference=page.reference)),
            "phone": _phone(page),
        }
        response = self._page("error.html", texts, page.status, content)
        if page.is_framed:
            # Only this one, since nobody would see it otherwise. It has nothing but a link that anybody could make.
            policy = response.headers["Content-Security-Policy"]
            response.headers["Content-Security-Policy"] = policy.replace(_NOT_FRAMABLE, "")
            del response.headers["X-Frame-Options"]
        return response

    def _texts(self, request: Request) -> Texts:
        return self._languages.choose(request.headers.get("accept-language"))

    def _go_on(self, texts: Texts, outcome: GoOn) -> Response:
        heading = texts.opening("setting_up" if outcome.is_setting_up else "opening", app=outcome.app_name)
        content = {"page": outcome, "heading": heading, "nonce": None, "wait_ms": LONGEST_WAIT_IN_LINE_MS}
        if not outcome.in_line:
            response = self._page("go_on.html", texts, 200, content)
            response.headers["Refresh"] = f"{outcome.after_s};url={outcome.url}"
            return response
        nonce = secrets.token_urlsafe(16)
        return self._page("go_on.html", texts, 200, {**content, "nonce": nonce}, script=f"script-src 'nonce-{nonce}'")

    def _page(self, name: str, texts: Texts, status: int, content: dict[str, Any], script: str = "") -> HTMLResponse:
        style_nonce = secrets.token_urlsafe(16)
        text = self._templates.get_template(name).render(style_nonce=style_nonce, texts=texts, **content)
        policy = f"default-src 'none'; style-src 'nonce-{style_nonce}'; {script}"
        language = {"Content-Language": texts.language, "Vary": "Accept-Language"}
        return HTMLResponse(text, status_code=status, headers={**_headers(policy.rstrip("; ")), **language})


def _headers(policy: str) -> dict[str, str]:
    return {
        "Content-Security-Policy": f"{policy}; base-uri 'none'; form-action 'none'{_NOT_FRAMABLE}",
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }


def _mail(page: ErrorPage, subject: str) -> str | None:
    if page.support is None or page.support.email is None:
        return None
    return f"mailto:{page.support.email}?{urlencode({'subject': subject}, quote_via=quote)}"


def _phone(page: ErrorPage) -> str | None:
    """A link that dials (RFC 3966), from a number as people write it."""
    if page.support is None or page.support.phone is None:
        return None
    return "tel:" + re.sub(r"[^+0-9]", "", page.support.phone)


def _set(response: Response, cookie: Cookie) -> None:
    response.set_cookie(
        cookie.name, cookie.value, max_age=cookie.max_age_s, path="/", secure=True, httponly=True, samesite="lax"
    )


def _clear(response: Response, name: str) -> None:
    response.delete_cookie(name, path="/", secure=True, httponly=True, samesite="lax")
