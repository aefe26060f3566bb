"""Pages, headers, logs, references."""

import json
import logging
import re
from html.parser import HTMLParser

import pytest
import structlog
from starlette.requests import Request

from broker import logs
from broker.model.browser import Cookie
from broker.model.failure import Reason
from broker.model.outcome import GoOn, Redirect
from broker.settings import Support
from broker.web.languages import CanDo
from broker.web.pages import ErrorPage, Pages
from broker.web.reference import ALPHABET, as_written, new_reference

PAGES = Pages()
REQUEST = Request({"type": "http", "headers": []})
EVIL = "<script>alert('x')</script>\"'"
URL = "https://keycloak.example/auth?state=a&nonce=b"


class Tags(HTMLParser):
    """The tags of a page, as a browser would see them."""

    def __init__(self, text: str) -> None:
        """Parse at once."""
        super().__init__()
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it."""
        self.tags.append(tag)


def test_a_page_escapes_everything_and_loads_nothing() -> None:
    """Names, sentences and contacts may come from anybody."""
    support = Support(email='a"><script>@evil.example', phone=EVIL, url='https://x.example/"><script>')
    page = ErrorPage(403, Reason.TALKDESK_REFUSED, CanDo.AGAIN, EVIL, EVIL, support, again=f"/talkdesk/launch?{EVIL}")
    response = PAGES.error(REQUEST, page)
    text = bytes(response.body).decode()
    assert not {"script", "img", "link", "iframe", "form"} & set(Tags(text).tags)
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'nonce-")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["x-frame-options"] == "DENY"


def test_the_error_page_has_reference_contact_and_status() -> None:
    """What a person needs on the phone."""
    support = Support(email="help@example.com", phone="+351 (21) 1", url="https://example.com/help")
    page = ErrorPage(
        404,
        Reason.INSTALLATION_UNKNOWN,
        CanDo.ADMINISTRATOR,
        "F2346-9MQ7W",
        "Wallboard",
        support,
        "/talkdesk/launch?x=1",
    )
    response = PAGES.error(REQUEST, page)
    text = bytes(response.body).decode()
    assert response.status_code == 404
    for part in (
        "Wallboard could not be opened",
        "This app is not set up for your Talkdesk account.",
        "Please ask the administrator of your Talkdesk account",
        "F2346-9MQ7W",
        '<a href="tel:+351211">+351 (21) 1</a>',
        '<a href="https://example.com/help" rel="noreferrer">',
        '<a class="button" href="/talkdesk/launch?x=1">Try again</a>',
    ):
        assert part in text
    assert (
        "mailto:help@example.com?subject=Wallboard%3A%20sign-on%20from%20Talkdesk%2C%20reference%20F2346-9MQ7W" in text
    )


def test_a_page_goes_on_by_itself_without_a_script() -> None:
    """By `Refresh`: the browser counts its redirects anew."""
    response = PAGES.outcome(REQUEST, GoOn(URL, "Wallboard"))
    assert response.headers["refresh"] == f"0;url={URL}"
    assert "script" not in Tags(bytes(response.body).decode()).tags


def test_launches_wait_in_line_by_a_script_and_go_on_without_it() -> None:
    """One script, allowed by its nonce; `noscript` does without."""
    response = PAGES.outcome(REQUEST, GoOn(URL, "Wallboard", in_line=True))
    text = bytes(response.body).decode()
    assert "refresh" not in response.headers
    assert (
        '<noscript><meta http-equiv="refresh" content="0;url=https://keycloak.example/auth?state=a&amp;nonce=b">'
        in text
    )
    nonce = text.partition('<script nonce="')[2].partition('"')[0]
    assert f"script-src 'nonce-{nonce}'" in response.headers["content-security-policy"]


def test_cookies_are_host_only_secure_and_out_of_reach_of_scripts() -> None:
    """`__Host-` demands path `/` and no domain."""
    response = PAGES.outcome(REQUEST, Redirect(URL, set_cookies=(Cookie("__Host-x", "v"),), clear_cookie="__Host-y"))
    cookies = [value for name, value in response.headers.items() if name == "set-cookie"]
    assert [cookie.partition("=")[0] for cookie in cookies] == ["__Host-y", "__Host-x"]
    for cookie in cookies:
        assert {"Path=/", "Secure", "HttpOnly", "SameSite=lax"} <= set(cookie.split("; "))
        assert "domain" not in cookie.lower()


def test_references_can_be_read_aloud() -> None:
    """Two groups of five, of few characters that nothing else sounds or looks like; never the same twice in a while."""
    references = {new_reference() for _ in range(1000)}
    assert len(references) == 1000
    for reference in references:
        assert re.fullmatch(f"[{ALPHABET}]{{5}}-[{ALPHABET}]{{5}}", reference)
    for sound_alikes in ("BCDEGPTVZ", "MN", "FS", "QU", "59", "AHJ8", "0O", "1IL"):
        assert len(set(ALPHABET) & set(sound_alikes)) <= 1, sound_alikes


@pytest.mark.parametrize("typed", ["f2346-9mq7w", " F2346 9MQ7W ", "F23469MQ7W", "F2346–9MQ7W"])
def test_a_reference_is_read_as_people_type_it(typed: str) -> None:
    """Small letters, spaces, no dash or another one."""
    assert as_written(typed) == "F2346-9MQ7W"


def test_what_looks_like_a_secret_is_blotted_out_of_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    """By its name, or by being a token, also inside the text of an exception."""
    token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln"
    before = logging.getLogger().handlers
    try:
        logs.configure(readable=False)
        log = structlog.get_logger()
        log.info("x", client_secret="s3cret", note=f"got {token}", id_token="t0ken")
        log.error("y", exc_info=ValueError(f"bad {token}"))
    finally:
        logging.getLogger().handlers = before
        structlog.reset_defaults()
    written = capsys.readouterr().err
    for secret in ("s3cret", "t0ken", token):
        assert secret not in written
    first, second = map(json.loads, written.splitlines())
    assert first["note"] == "got [token]"
    assert "ValueError: bad [token]" in second["exception"]
