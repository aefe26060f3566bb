"""Texts: which language, and that none of them lacks anything."""

import string
from collections.abc import Iterator

import pytest
from starlette.requests import Request

from broker.model.failure import Reason
from broker.model.outcome import GoOn
from broker.settings import Support
from broker.web.languages import LANGUAGES, CanDo, Languages
from broker.web.pages import ErrorPage, Pages

ALL = Languages()
PAGES = Pages()


def request_for(accept_language: str) -> Request:
    """A request of a browser with these languages."""
    return Request({"type": "http", "headers": [(b"accept-language", accept_language.encode())]})


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        (None, "en"),
        ("", "en"),
        ("de", "en"),
        ("pt-BR,pt;q=0.9,en;q=0.8", "pt"),
        ("es-MX", "es"),
        ("ES", "es"),
        ("de;q=1, en;q=0.5, es;q=0.7", "es"),
        ("pt;q=0, es;q=0.1", "es"),
        ("en;q=0.1, pt;q=0.1", "en"),
        ("pt;q=x, es", "es"),
        ("pt;q=7, es", "es"),
        ("pt;q=nan, es", "es"),
        ("*", "en"),
        (",;,=;q", "en"),
        ("x," * 300 + "pt", "en"),
    ],
)
def test_the_browser_chooses_the_language(asked: str | None, language: str) -> None:
    """By quality and then by order; English for whoever asks for none of them, or unreadably."""
    assert ALL.choose(asked).language == language


def test_every_language_has_every_text() -> None:
    """The same keys with the same gaps, a sentence for every reason of its own, and what to do about it."""
    english = ALL.texts["en"].parts
    assert set(english["happened"]) == {reason.value for reason in Reason}
    assert set(english["can_do"]) == {each.value for each in CanDo}
    for language in LANGUAGES:
        parts = ALL.texts[language].parts
        assert gaps(parts) == gaps(english), language
        assert len(set(parts["happened"].values())) == len(Reason), f"{language}: two reasons share a sentence"


def gaps(parts: object) -> dict[str, set[str]]:
    """What each text leaves open, by its place."""
    return {place: {name for _, name, _, _ in string.Formatter().parse(text) if name} for place, text in texts(parts)}


def texts(parts: object) -> Iterator[tuple[str, str]]:
    """Every text with its place."""
    assert isinstance(parts, dict)
    for part, content in parts.items():
        yield from ((f"{part}.{key}", text) for key, text in content.items())


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_is_in_one_language_and_says_which(language: str) -> None:
    """For screen readers and caches: error page and the page that goes on."""
    page = ErrorPage(502, Reason.TALKDESK_FAILED, CanDo.AGAIN, "F2346-9MQ7W", None, Support(phone="1"), again="/x")
    for response in (
        PAGES.error(request_for(language), page),
        PAGES.outcome(request_for(language), GoOn("https://x.example", "Wallboard")),
    ):
        text = bytes(response.body).decode()
        assert f'<html lang="{language}">' in text
        assert response.headers["content-language"] == language
        assert response.headers["vary"] == "Accept-Language"
    texts = ALL.texts[language]
    text = bytes(PAGES.error(request_for(language), page).body).decode()
    for part in (texts.happened(page.reason), texts.can_do(page.can_do), texts.page("again"), texts.page("reference")):
        assert part in text
