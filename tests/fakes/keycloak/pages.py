"""Pages and cookies, as far as a browser and a test can tell them apart."""

from html import escape
from http import HTTPStatus

from starlette.responses import HTMLResponse, Response

from tests.fakes.keycloak.model import REALM

LOGIN_COOKIE = "AUTH_SESSION_ID"
IDENTITY_COOKIE = "KEYCLOAK_IDENTITY"


def page(status: int, text: str) -> Response:
    """Something that a person would see."""
    title = HTTPStatus(status).phrase if status != 200 else "Sign in to talkdesk"
    return HTMLResponse(f"<!doctype html><title>{title}</title><p>{text}</p>", status)


def open_from_talkdesk(resume_url: str | None) -> Response:
    """The last step of the flow `talkdesk browser`, in our theme: goes on to the broker by itself, or stays."""
    refresh = f'<meta http-equiv="refresh" content="0;url={resume_url}">' if resume_url else ""
    return HTMLResponse(f"<!doctype html><title>x</title>{refresh}<h1>Open this app from Talkdesk</h1>", 401)


def password_form(action: str = "") -> Response:
    """Keycloak's own way in, which nobody who comes from Talkdesk should ever see."""
    fields = '<input name="username"><input name="password" type="password">'
    return page(200, f'<form id="kc-form-login" action="{escape(action)}" method="post">{fields}</form>')


def set_cookie(response: Response, name: str, value: str | None) -> None:
    """Keycloak's cookies are `Secure` even on http://127.0.0.1; None deletes."""
    response.set_cookie(
        name,
        value or "",
        max_age=None if value else 0,
        path=f"/realms/{REALM}/",
        secure=True,
        httponly=True,
        samesite="none",
    )
