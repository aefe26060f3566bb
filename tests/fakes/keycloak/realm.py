"""State of the imitated realm, its key, and what several endpoints do with them.

Follows docs/keycloak.md: T3 (used aliases), T6 (a deleted provider's sessions are dead), T12 (an ended session takes its browser's logins with it).
"""

import functools
import secrets
import uuid
from collections.abc import Callable
from datetime import datetime

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from tests.fakes.keycloak.model import LAUNCH_CLIENT, REALM, Client, Code, Json, Provider, Root, Session, User


class Realm:
    """The realm `talkdesk`."""

    def __init__(self, url: str, clients: list[Client], clock: Callable[[], datetime]) -> None:
        self.issuer = f"{url}/realms/{REALM}"
        self.only_links = False
        """Mode existing: the first-login flow links to users who are there, makes none, and there is a password form."""
        self.clock = clock
        self.key = _key()
        self.clients = {client.id: client for client in clients}
        self.providers: dict[str, Provider] = {}
        self.deleted_aliases: set[str] = set()
        self.users: list[User] = []
        self.sessions: dict[str, Session] = {}
        self.roots: dict[str, Root] = {}
        """By cookie."""
        self.codes: dict[str, Code] = {}

    @property
    def resume_url(self) -> str | None:
        """Where the theme sends who came without a launch: what the realm says of the broker."""
        uris = self.clients[LAUNCH_CLIENT].redirect_uris
        return uris[0].replace("/launch/return", "/launch/resume") if uris else None

    @property
    def now_s(self) -> int:
        """Seconds since the epoch."""
        return int(self.clock().timestamp())

    def sign(self, claims: Json, *, kind: str = "JWT") -> str:
        """A token of the realm; `kind` is the `typ` of its header."""
        return jwt.encode({"alg": "RS256", "kid": self.key.kid, "typ": kind}, claims, self.key, algorithms=["RS256"])

    def verify(self, token: str) -> Json | None:
        """Claims of a token that the realm signed, expired or not; None where it did not."""
        try:
            return jwt.decode(token, self.key, algorithms=["RS256"]).claims
        except (JoseError, ValueError):
            return None

    def open_provider(self, alias: str | None) -> Provider | None:
        """The identity provider, if it is there and enabled."""
        provider = self.providers.get(alias or "")
        return provider if provider and provider.is_enabled else None

    def session_of(self, cookie: str | None) -> Session | None:
        """The live session of this browser."""
        return next((session for session in self.sessions.values() if session.cookie == cookie), None)

    def root_of(self, cookie: str | None) -> Root:
        """The browser's logins under way; a browser without (or with a stale) cookie gets a new, empty one."""
        root = self.roots.get(cookie or "")
        if root is None:
            root = Root(str(uuid.uuid4()), secrets.token_urlsafe(32))
            self.roots[root.cookie] = root
        return root

    def user_linked_to(self, alias: str, sub: str) -> User | None:
        """The user with this link."""
        return next((user for user in self.users if user.links.get(alias) == sub), None)

    def user_like(self, email: object, username: str) -> User | None:
        """The user that a first login runs into: by e-mail before username (T4)."""
        by_email = (user for user in self.users if email and user.email == email)
        by_name = (user for user in self.users if user.username == username)
        return next(by_email, None) or next(by_name, None)

    def end(self, session: Session) -> None:
        """The session is over, its codes and its browser's logins under way as well; nobody is told here."""
        self.sessions.pop(session.id, None)
        self.roots = {cookie: root for cookie, root in self.roots.items() if root.id != session.id}

    def delete_provider(self, alias: str) -> None:
        """It goes with its links and sessions; no app is told (T6)."""
        del self.providers[alias]
        self.deleted_aliases.add(alias)
        for user in self.users:
            user.links.pop(alias, None)
        for session in [session for session in self.sessions.values() if session.alias == alias]:
            self.end(session)


@functools.cache
def _key() -> RSAKey:
    # One for all imitations of a process: making one takes longer than most tests.
    return RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, auto_kid=True)
