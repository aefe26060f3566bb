"""Pages and cookies, as far as a browser and a test can tell them apart."""

from http import HTTPStatus

from starlette.responses import HTMLResponse, Response

from tests.fakes.keycloak.model import REALM

LOGIN_COOKIE = "AUTH_SESSION_ID"
IDENTITY_COOKIE = "KEYCLOAK_IDENTITY"


def page(status: int, text: str) -> Response:
    """Something that a person would see."""
    title = HTTPStatus(status).phrase if status != 200 else "Sign in to talkdesk"
    return HTMLResponse(f"<!doctype html><title>{title}</title><p>{text}</p>", status)


def password_form() -> Response:
    """Keycloak's own way in, which nobody who comes from Talkdesk should ever see."""
    return page(200, '<form id="kc-form-login"><input name="username"><input name="password" type="password"></form>')


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
