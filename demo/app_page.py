"""The app's pages: who is signed in, or what went wrong. Everything from outside is escaped."""

from fastapi.responses import HTMLResponse
from jinja2 import Environment

from demo.app_sessions import Session

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}

_PAGE = Environment(autoescape=True).from_string(
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ name }}</title>
<style>
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 34rem; margin: 12vh auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } dt { opacity: .7; font-size: .85rem; } dd { margin: 0 0 .6rem; }
button, a.button { font: inherit; padding: .4rem .9rem; border: 1px solid; border-radius: .5rem; }
button, a.button { background: none; color: inherit; text-decoration: none; }
</style>
</head>
<body>
<h1>{{ name }}</h1>
{% if problem %}
<p id="problem">{{ problem }}</p>
<p><a class="button" href="/login">Sign in again</a></p>
{% elif claims %}
<p>Signed in as <strong id="name">{{ claims.name or claims.preferred_username or claims.sub }}</strong></p>
<dl>
<dt>Talkdesk account</dt><dd id="account">{{ claims.talkdesk_account_name }}</dd>
<dt>Apps of this account</dt><dd id="apps">{{ apps | join(", ") }}</dd>
<dt>Talkdesk user id</dt><dd id="user-id">{{ claims.talkdesk_user_id }}</dd>
</dl>
<form method="post" action="/logout"><button>Sign out</button></form>
{% else %}
<p id="nobody">Nobody is signed in.</p>
<p><a class="button" href="/login">Sign in</a></p>
{% endif %}
</body>
</html>
"""
)


def home_page(name: str, session: Session | None) -> HTMLResponse:
    claims = session.claims if session else None
    apps = claims.get("talkdesk_apps", []) if claims else []
    page = _PAGE.render(name=name, claims=claims, apps=apps if isinstance(apps, list) else [apps])
    return HTMLResponse(page, headers=HEADERS)


def problem_page(name: str, problem: str, status: int = 400) -> HTMLResponse:
    return HTMLResponse(_PAGE.render(name=name, problem=problem), status, headers=HEADERS)
