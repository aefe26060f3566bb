"""What people read, in their language: one file for each in `texts`, and which one a browser asks for (RFC 9110, 12.5.4).

Owns: loading, choosing, filling in. Leaves to others: escaping, which is the template's.
"""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from typing import Any

from broker.model.failure import Reason

LANGUAGES = ("en", "pt", "es")
"""The first one is for whoever asks for none of them."""

_LONGEST_HEADER = 500


class CanDo(StrEnum):
    """What the person can do about it."""

    AGAIN = "again"
    """The same once more can help."""
    FROM_TALKDESK = "from_talkdesk"
    """Once more can help, and has to begin in Talkdesk."""
    CONTACT = "contact"
    ADMINISTRATOR = "administrator"
    """The customer's own administrator decides about it."""
    OTHER_ACCOUNT = "other_account"
    NEW_TAB = "new_tab"


@dataclass(frozen=True)
class Texts:
    """All texts of one language."""

    language: str
    parts: Mapping[str, Mapping[str, str]]

    def page(self, key: str, **values: str) -> str:
        """On the error page."""
        return self.parts["page"][key].format(**values)

    def opening(self, key: str, **values: str) -> str:
        """On a page that goes on by itself."""
        return self.parts["opening"][key].format(**values)

    def happened(self, reason: Reason) -> str:
        """What happened."""
        return self.parts["happened"][reason.value]

    def can_do(self, what: CanDo) -> str:
        """What the person can do."""
        return self.parts["can_do"][what.value]


class Languages:
    """The texts of all languages."""

    def __init__(self) -> None:
        """Read the files, once."""
        self.texts = {language: Texts(language, _read(language)) for language in LANGUAGES}

    def choose(self, accept_language: str | None) -> Texts:
        """The language that the browser likes best of those that there are."""
        wanted = sorted(_ranges((accept_language or "")[:_LONGEST_HEADER]), key=lambda each: -each[1])
        known = (language for language, quality in wanted if quality > 0 and language in self.texts)
        return self.texts[next(known, LANGUAGES[0])]


def _read(language: str) -> dict[str, Any]:
    return tomllib.loads((files("broker.web") / "texts" / f"{language}.toml").read_text("utf-8"))


def _ranges(header: str) -> Iterable[tuple[str, float]]:
    """Primary language and quality of each range, in the order of the header; what can't be read is left out."""
    for part in header.split(","):
        tag, _, parameter = part.partition(";")
        name, _, value = parameter.strip().partition("=")
        try:
            quality = float(value) if name.strip().lower() == "q" else 1.0
        except ValueError:
            continue
        if 0 <= quality <= 1:
            yield tag.strip().partition("-")[0].lower(), quality
