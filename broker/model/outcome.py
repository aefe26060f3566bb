"""Where a request of the browser ends: somewhere else, or on a page of ours."""

from dataclasses import dataclass

from broker.model.browser import Cookie


@dataclass(frozen=True)
class Redirect:
    """Go there at once."""

    url: str
    set_cookies: tuple[Cookie, ...] = ()
    clear_cookie: str | None = None


@dataclass(frozen=True)
class GoOn:
    """A page that goes on by itself, so that the browser counts its redirects anew."""

    url: str
    app_name: str
    after_s: int = 0
    is_setting_up: bool = False
    """It comes back to where it is until the app is ready."""
    in_line: bool = False
    """Launches of one browser wait for each other: two that start at the same instant break each other at Keycloak."""
    set_cookies: tuple[Cookie, ...] = ()
    clear_cookie: str | None = None


Outcome = Redirect | GoOn
