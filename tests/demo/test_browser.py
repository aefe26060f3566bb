"""The browser of the demo keeps a browser's rules: cookies, redirects one by one, refreshes without scripts."""

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from demo.browser import Browser, TooManyRedirects
from demo.cookies import CookieStore
from demo.server import HttpServer

SITE = "https://app.acme.example/start"


@pytest.fixture
async def site() -> AsyncIterator[str]:
    """A site that redirects, refreshes and sets cookies as the path says."""
    application = FastAPI()

    @application.get("/redirect/{times}")
    async def redirect(times: int) -> Response:
        return RedirectResponse(f"/redirect/{times - 1}" if times > 1 else "/page", 302)

    @application.get("/refresh")
    async def refresh(to: str) -> Response:
        return Response("wait", headers={"Refresh": f"0; url={to}"}, media_type="text/html")

    @application.get("/meta")
    async def meta(to: str) -> Response:
        element = f'<meta http-equiv="refresh" content="0;url={to.replace("&", "&amp;")}">'
        return HTMLResponse(f"<!doctype html><head><noscript>{element}</noscript></head>")

    @application.post("/form")
    async def form(request: Request) -> Response:
        sent = await request.form()
        return RedirectResponse(f"/page?name={sent['name']}", 303)

    @application.get("/loop")
    async def loop() -> Response:
        return Response(headers={"Refresh": "0"})

    @application.api_route("/page", methods=["GET", "POST"])
    async def page(request: Request) -> Response:
        response = HTMLResponse(f"cookies: {request.headers.get('cookie', '')}")
        response.set_cookie("__Host-here", "1", secure=True, path="/")
        return response

    server = HttpServer()
    await server.start(application)
    yield server.url
    await server.stop()


async def test_chain(browser: Browser, site: str) -> None:
    """Every address is in the chain, and the redirects in a row are counted."""
    page = await browser.open(f"{site}/redirect/3")
    assert page.chain == [f"{site}/redirect/3", f"{site}/redirect/2", f"{site}/redirect/1", f"{site}/page"]
    assert (page.url, page.status, page.longest_chain) == (f"{site}/page", 200, 3)


async def test_twenty_redirects_and_no_more(browser: Browser, site: str) -> None:
    """Browsers stop at about 20."""
    assert (await browser.open(f"{site}/redirect/20")).longest_chain == 20
    with pytest.raises(TooManyRedirects):
        await browser.open(f"{site}/redirect/21")


@pytest.mark.parametrize("kind", ["refresh", "meta"])
async def test_refresh_starts_the_count_anew(browser: Browser, site: str, kind: str) -> None:
    """A page that goes on by itself is a page: header or element, in `noscript` too."""
    page = await browser.open(f"{site}/{kind}?to=/redirect/12")
    assert (page.url, page.longest_chain, len(page.chain)) == (f"{site}/page", 12, 14)


async def test_refreshing_for_ever(browser: Browser, site: str) -> None:
    """A page that only ever refreshes is an error, not an endless test."""
    with pytest.raises(TooManyRedirects):
        await browser.open(f"{site}/loop")


async def test_form(browser: Browser, site: str) -> None:
    """After 303 a POST goes on as GET."""
    page = await browser.submit(f"{site}/form", {"name": "ana"})
    assert (page.url, page.status) == (f"{site}/page?name=ana", 200)


async def test_fragment_survives(browser: Browser, site: str) -> None:
    """A redirect without fragment keeps the one from before; it is never sent."""
    assert (await browser.open(f"{site}/redirect/1#here")).url == f"{site}/page#here"


async def test_cookies_are_kept_and_cleared(browser: Browser, site: str) -> None:
    """`Secure` and `__Host-` work on loopback without https, as in Chromium; another port is the same host."""
    await browser.open(f"{site}/page")
    assert "__Host-here=1" in (await browser.open(f"{site}/page")).text
    browser.clear()
    assert (await browser.open(f"{site}/page")).text == "cookies: "


@pytest.mark.parametrize(
    ("set_cookie", "url", "is_sent"),
    [
        ("a=1", "https://app.acme.example/", True),
        ("a=1", "https://app.acme.example:8443/", True),
        ("a=1", "https://acme.example/", False),
        ("a=1", "https://sub.app.acme.example/", False),
        ("a=1; Domain=acme.example", "https://other.acme.example/", True),
        ("a=1; Domain=.acme.example", "https://acme.example/", True),
        ("a=1; Domain=other.example", "https://other.example/", False),
        ("a=1; Domain=example", "https://app.acme.example/", False),
        ("a=1; Path=/start", "https://app.acme.example/start/deep", True),
        ("a=1; Path=/start", "https://app.acme.example/starting", False),
        ("a=1; Secure", "http://app.acme.example/", False),
        ("a=1; Max-Age=0", "https://app.acme.example/", False),
        ("a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "https://app.acme.example/", False),
        ("a=1; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "https://app.acme.example/", True),
        ("a=1; SameSite=None", "https://app.acme.example/", False),
        ("__Host-a=1; Secure; Path=/", "https://app.acme.example/", True),
        ("__Host-a=1; Path=/", "https://app.acme.example/", False),
        ("__Host-a=1; Secure; Path=/start", "https://app.acme.example/start", False),
        ("__Host-a=1; Secure; Path=/; Domain=app.acme.example", "https://app.acme.example/", False),
        ("__Secure-a=1; Path=/", "https://app.acme.example/", False),
        ("=1", "https://app.acme.example/", False),
    ],
)
def test_cookie_scope(set_cookie: str, url: str, is_sent: bool) -> None:
    """Where a cookie goes that this address has set, if it is taken at all."""
    cookies = CookieStore()
    cookies.take(SITE, set_cookie)
    assert bool(cookies.header_for(url)) is is_sent


def test_secure_cookie_needs_https_or_loopback() -> None:
    """Plain http can't set one, unless it is this machine."""
    cookies = CookieStore()
    for url, is_kept in (("http://acme.example/", False), ("http://127.0.0.2/", True), ("http://localhost/", True)):
        cookies.take(url, "a=1; Secure")
        assert bool(cookies.header_for(url)) is is_kept


@pytest.mark.parametrize(
    ("same_site", "initiator", "method", "is_sent"),
    [
        ("Lax", "https://talkdesk.example", "GET", True),
        ("Lax", "https://talkdesk.example", "POST", False),
        ("Strict", "https://talkdesk.example", "GET", False),
        ("Strict", "https://acme.example", "GET", True),
        ("Strict", "http://acme.example", "GET", False),
        ("Strict", None, "GET", True),
        ("None; Secure", "https://talkdesk.example", "POST", True),
    ],
)
def test_same_site(same_site: str, initiator: str | None, method: str, is_sent: bool) -> None:
    """Held against the site that sent the browser here; a typed address has none."""
    cookies = CookieStore()
    cookies.take(SITE, f"a=1; SameSite={same_site}")
    assert bool(cookies.header_for(SITE, initiator=initiator, method=method)) is is_sent


async def test_redirect_from_another_site_is_cross_site(browser: Browser, site: str) -> None:
    """127.0.0.1 and localhost are two sites: a strict cookie does not come along from one to the other."""
    other = site.replace("127.0.0.1", "localhost")
    browser.take_cookie(site, "strict=1; SameSite=Strict")
    browser.take_cookie(site, "lax=1; SameSite=Lax")
    assert (await browser.open(f"{site}/page", on=other)).text == "cookies: lax=1"
    assert "strict=1" in (await browser.open(f"{site}/page", on=site)).text


def test_replaced_cookie() -> None:
    """The same name, domain and path replaces; the longer path comes first."""
    cookies = CookieStore()
    cookies.take(SITE, "a=1; Path=/")
    cookies.take(SITE, "a=2; Path=/")
    cookies.take(SITE, "a=3; Path=/start")
    assert cookies.header_for(SITE) == "a=3; a=2"
