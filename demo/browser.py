"""An HTTP client that behaves like a browser without scripts, for the demo and the scenario tests.

Owns one cookie jar with a browser's rules and follows redirects and refreshes one by one, so that a test can count them.
Cookies: RFC 6265bis (draft-ietf-httpbis-rfc6265bis): host-only unless `Domain`, ports shared, `Secure` also on loopback,
`__Host-` and `__Secure-` checked, `SameSite` held against the request's initiator. Left out: scripts, frames, caches,
the public suffix list (a cookie for a top-level domain is refused, one for `co.uk` is not).
"""

import asyncio
import re
import ssl
from dataclasses import dataclass, field
from html import unescape
from urllib.parse import urljoin, urlsplit

import httpx

from demo.cookies import CookieStore, site_of
from demo.http_client import http_client

MOST_REDIRECTS = 20
_META_REFRESH = re.compile(r"""<meta\b(?=[^>]*http-equiv=["']?refresh\b)[^>]*\bcontent=(?:"([^"]*)"|'([^']*)')""", re.I)
_REFRESH = re.compile(r"""\s*(\d+)(?:\.\d*)?\s*[;,]\s*(?:url\s*=\s*)?["']?([^"']+)""", re.I)
_REFRESH_HERE = re.compile(r"\s*(\d+)")


class TooManyRedirects(Exception):
    """Browsers give up after about 20 redirects in a row."""


@dataclass(frozen=True)
class Page:
    """Where a journey ended. `chain` has every address that was visited; `longest_chain` the most redirects in a row."""

    url: str
    status: int
    text: str
    headers: httpx.Headers = field(repr=False)
    chain: list[str]
    longest_chain: int


class Browser:
    """One browser: its cookies live until `clear()`."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, longest_refresh_seconds: float = 5) -> None:
        self.cookies = CookieStore()
        self._longest_refresh_seconds = longest_refresh_seconds
        self._client = http_client(tls=tls)

    async def __aenter__(self) -> "Browser":
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._client.aclose()

    def clear(self) -> None:
        """A new person at the same desk, with everything of the former one deleted."""
        self.cookies.clear()

    def take_cookie(self, url: str, set_cookie: str) -> None:
        """As if `url` had answered with this `Set-Cookie`."""
        self.cookies.take(url, set_cookie)

    async def open(self, url: str, *, on: str | None = None, stop_before: str | None = None) -> Page:
        """Follow an address to the page where it ends: typed, or a link on the page `on`.

        `stop_before` is a path: the tab is closed before it is asked for. The page then has that address and status 0.
        """
        return await self._go("GET", url, None, initiator=site_of(on) if on else None, stop_before=stop_before)

    async def submit(self, url: str, form: dict[str, str], *, on: str | None = None) -> Page:
        """Submit a form that stands on the page `on` (of the same site unless named)."""
        return await self._go("POST", url, form, initiator=site_of(on or url))

    async def _go(
        self,
        method: str,
        url: str,
        form: dict[str, str] | None,
        initiator: str | None,
        stop_before: str | None = None,
    ) -> Page:
        journey = _Journey()
        while True:
            journey.visit(url)
            if stop_before == urlsplit(url).path:
                return journey.end(httpx.Response(0))
            response = await self._request(method, url, form, initiator)
            location = response.headers.get("location")
            if response.has_redirect_location and location is not None:
                journey.redirected()
                initiator = initiator or site_of(url)
                if response.status_code == 303 or (response.status_code in (301, 302) and method == "POST"):
                    method, form = "GET", None
                url = _with_fragment(urljoin(url, location), url)
                continue
            refresh = _refresh_of(response, url)
            if refresh is None or refresh[0] > self._longest_refresh_seconds:
                return journey.end(response)
            seconds, url = refresh
            await asyncio.sleep(seconds)
            journey.refreshed()
            method, form, initiator = "GET", None, site_of(journey.here)

    async def _request(
        self, method: str, url: str, form: dict[str, str] | None, initiator: str | None
    ) -> httpx.Response:
        headers = {
            "Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8",
            "Sec-Fetch-Dest": "document",
            "Sec-Fetch-Mode": "navigate",
            "Sec-Fetch-Site": "none" if initiator is None else _relation(initiator, url),
        }
        cookies = self.cookies.header_for(url, initiator=initiator, method=method)
        if cookies:
            headers["Cookie"] = cookies
        self._client.cookies.clear()  # httpx's own jar stays out of it
        response = await self._client.request(
            method, urlsplit(url)._replace(fragment="").geturl(), data=form, headers=headers
        )
        for each in response.headers.get_list("set-cookie"):
            self.cookies.take(url, each)
        return response


class _Journey:
    """What was visited between the click and the page, and how many redirects there were in a row."""

    def __init__(self) -> None:
        self.chain: list[str] = []
        self._in_a_row = 0
        self._longest = 0
        self._refreshes = 0

    @property
    def here(self) -> str:
        return self.chain[-1]

    def visit(self, url: str) -> None:
        self.chain.append(url)

    def redirected(self) -> None:
        self._in_a_row += 1
        self._longest = max(self._longest, self._in_a_row)
        if self._in_a_row > MOST_REDIRECTS:
            raise TooManyRedirects(" → ".join(self.chain))

    def refreshed(self) -> None:
        """A page was shown: the count starts anew. But a page that refreshes for ever is a loop."""
        self._in_a_row = 0
        self._refreshes += 1
        if self._refreshes > MOST_REDIRECTS:
            raise TooManyRedirects("refreshing for ever: " + " → ".join(self.chain))

    def end(self, response: httpx.Response) -> Page:
        return Page(self.here, response.status_code, response.text, response.headers, self.chain, self._longest)


def _refresh_of(response: httpx.Response, url: str) -> tuple[float, str] | None:
    """Seconds and address of a `Refresh`: the header, else the element (also in `noscript`: no script runs here)."""
    content = response.headers.get("refresh")
    if content is None and "html" in response.headers.get("content-type", ""):
        match = _META_REFRESH.search(response.text)
        content = unescape(match[1] or match[2] or "") if match else None
    if content is None:
        return None
    elsewhere = _REFRESH.match(content)
    if elsewhere:
        return float(elsewhere[1]), urljoin(url, elsewhere[2].strip())
    here = _REFRESH_HERE.match(content)
    return (float(here[1]), url) if here else None


def _with_fragment(url: str, before: str) -> str:
    """A redirect without fragment inherits the one before it."""
    fragment = urlsplit(before).fragment
    return f"{url}#{fragment}" if fragment and not urlsplit(url).fragment else url


def _relation(initiator: str, url: str) -> str:
    """`Sec-Fetch-Site`, told by site; browsers tell `same-origin` from `same-site` too, for our forms it is the former."""
    return "same-origin" if initiator == site_of(url) else "cross-site"
