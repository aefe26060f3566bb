"""A browser's cookie jar (RFC 6265bis), as far as the demo and the tests need it; see `browser.py`."""

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import SplitResult, urlsplit

_LONGEST_LIFE_SECONDS = 400 * 24 * 3600


@dataclass(frozen=True)
class Cookie:
    """One cookie; `domain` is the host alone if `is_host_only`. Ports don't count."""

    name: str
    value: str
    domain: str
    is_host_only: bool
    path: str
    is_secure: bool
    same_site: str
    expires_at: datetime | None


def site_of(url: str) -> str:
    """Scheme and registrable domain, taken as the last two labels; an address or a single label is its own site."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if not _is_address(host):
        host = ".".join(host.split(".")[-2:])
    return f"{parts.scheme}://{host}"


class CookieStore:
    """Takes `Set-Cookie`, gives `Cookie`."""

    def __init__(self) -> None:
        self._cookies: dict[tuple[str, str, str], Cookie] = {}

    def all(self) -> list[Cookie]:
        return list(self._cookies.values())

    def clear(self) -> None:
        self._cookies.clear()

    def find(self, name: str, url: str) -> Cookie | None:
        """The cookie of that name which would be sent there."""
        return next((each for each in self._matching(url) if each.name == name), None)

    def take(self, url: str, set_cookie: str) -> None:
        """Store, replace or delete a cookie; one that breaks a rule is ignored, as a browser does."""
        cookie = _parse(urlsplit(url), set_cookie)
        if cookie is None:
            return
        key = (cookie.domain, cookie.path, cookie.name)
        self._cookies.pop(key, None)
        if cookie.expires_at is None or cookie.expires_at > datetime.now(UTC):
            self._cookies[key] = cookie

    def header_for(self, url: str, *, initiator: str | None = None, method: str = "GET") -> str:
        """The `Cookie` header of a top-level navigation; `initiator` is the site that sent the browser there."""
        is_cross_site = initiator is not None and initiator != site_of(url)
        sent = [each for each in self._matching(url) if _may_go(each, is_cross_site, method)]
        sent.sort(key=lambda each: -len(each.path))
        return "; ".join(f"{each.name}={each.value}" for each in sent)

    def _matching(self, url: str) -> list[Cookie]:
        parts = urlsplit(url)
        now = datetime.now(UTC)
        return [
            each
            for each in self._cookies.values()
            if _host_matches(each, parts.hostname or "")
            and _path_matches(each.path, parts.path or "/")
            and (not each.is_secure or _is_trustworthy(parts))
            and (each.expires_at is None or each.expires_at > now)
        ]


def _parse(url: SplitResult, set_cookie: str) -> Cookie | None:
    pair, *rest = set_cookie.split(";")
    name, equals, value = pair.partition("=")
    if not equals or not name.strip():
        return None
    attributes = {key.strip().lower(): text.strip() for key, _, text in (part.partition("=") for part in rest)}
    host = url.hostname or ""
    domain = attributes.get("domain", "").lower().removeprefix(".")
    path = attributes.get("path", "")
    cookie = Cookie(
        name=name.strip(),
        value=value.strip(),
        domain=domain or host,
        is_host_only=not domain,
        path=path if path.startswith("/") else _default_path(url.path),
        is_secure="secure" in attributes,
        same_site=attributes.get("samesite", "").lower() or "lax",
        expires_at=_expiry(attributes),
    )
    return cookie if _is_acceptable(cookie, url, "domain" in attributes) else None


def _is_acceptable(cookie: Cookie, url: SplitResult, names_domain: bool) -> bool:
    host = url.hostname or ""
    if not cookie.is_host_only and not _is_within(host, cookie.domain):
        return False  # somebody else's domain, or a top-level one
    if cookie.is_secure and not _is_trustworthy(url):
        return False
    if cookie.same_site == "none" and not cookie.is_secure:
        return False
    name = cookie.name.lower()
    if name.startswith("__host-"):
        return cookie.is_secure and not names_domain and cookie.path == "/"
    return cookie.is_secure if name.startswith("__secure-") else True


def _is_within(host: str, domain: str) -> bool:
    if host == domain:
        return True
    return host.endswith("." + domain) and "." in domain and not _is_address(host)


def _may_go(cookie: Cookie, is_cross_site: bool, method: str) -> bool:
    """A navigation that another site started: `Strict` stays, `Lax` goes with GET only."""
    if not is_cross_site or cookie.same_site == "none":
        return True
    return cookie.same_site == "lax" and method == "GET"


def _host_matches(cookie: Cookie, host: str) -> bool:
    return host == cookie.domain if cookie.is_host_only else _is_within(host, cookie.domain)


def _path_matches(cookie_path: str, path: str) -> bool:
    return path == cookie_path or path.startswith(cookie_path.rstrip("/") + "/")


def _default_path(path: str) -> str:
    return path.rpartition("/")[0] or "/"


def _expiry(attributes: dict[str, str]) -> datetime | None:
    """`Max-Age` wins over `Expires`; what can't be read counts as absent."""
    max_age = attributes.get("max-age", "")
    if max_age.removeprefix("-").isdecimal():
        return datetime.now(UTC) + timedelta(seconds=min(int(max_age), _LONGEST_LIFE_SECONDS))
    try:
        expires_at = parsedate_to_datetime(attributes["expires"])
    except (KeyError, ValueError):
        return None
    return expires_at if expires_at.tzinfo else expires_at.replace(tzinfo=UTC)


def _is_trustworthy(url: SplitResult) -> bool:
    """Https, or loopback: there browsers keep and send `Secure` cookies without it."""
    host = url.hostname or ""
    if url.scheme == "https" or host == "localhost" or host.endswith(".localhost"):
        return True
    return _is_address(host) and ipaddress.ip_address(host).is_loopback


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
