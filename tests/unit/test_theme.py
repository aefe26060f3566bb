"""Keycloak's login theme beside the broker's own pages: one look, the same languages, nothing missing."""

import re
from pathlib import Path

from broker.web.languages import LANGUAGES

REPOSITORY = Path(__file__).parent.parent.parent
THEME = REPOSITORY / "keycloak" / "themes" / "talkdesk" / "login"


def messages(language: str) -> dict[str, str]:
    """Texts of the theme in one language."""
    lines = (THEME / "messages" / f"messages_{language}.properties").read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_the_style_sheet_is_the_brokers() -> None:
    """Byte for byte: a change of one is a change of both."""
    ours = REPOSITORY / "broker" / "web" / "templates" / "style.css"
    assert (THEME / "resources" / "css" / "talkdesk.css").read_bytes() == ours.read_bytes()


def test_the_theme_has_the_same_languages_and_every_text_in_each() -> None:
    """And every text that a page asks for; the realm says where the broker is."""
    assert {path.stem.removeprefix("messages_") for path in (THEME / "messages").iterdir()} == set(LANGUAGES)
    assert f"locales={','.join(sorted(LANGUAGES))}" in (THEME / "theme.properties").read_text()
    asked = {name for page in THEME.glob("*.ftl") for name in re.findall(r'msg\("(talkdesk\w+)"', page.read_text())}
    for language in LANGUAGES:
        texts = messages(language)
        assert asked - {"talkdeskResumeUrl"} | {"talkdeskOpenFromTalkdesk", "talkdeskAccountTaken"} == set(texts)
        assert all(text.strip() for text in texts.values())
        assert not any("'" in text for text in texts.values()), "a straight apostrophe quotes in this format"
