"""Renders the stand-in's few pages. Everything from outside is escaped; nothing comes from a third party."""

from pathlib import Path

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from demo.talkdesk.refusal import Refusal

ASSETS = Path(__file__).parent / "assets"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; frame-ancestors 'none'; "
        "base-uri 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}

_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined
)


class Page(HTMLResponse):
    """A rendered template, with the headers that every page has."""

    def __init__(self, template: str, status_code: int = 200, **context: object) -> None:
        super().__init__(_templates.get_template(template).render(context), status_code, headers=HEADERS)


def error_page(refusal: Refusal) -> Page:
    return Page("error.html", refusal.status, refusal=refusal)
