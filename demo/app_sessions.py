"""Who is signed in to an app: kept on the server, so that Keycloak's back-channel logout can end it."""

import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# A logout may overtake the callback that it is about. Keycloak never uses a sid again, so these may be refused for ever.
_REMEMBERED_ENDS = 10_000


@dataclass(frozen=True)
class Session:
    """One person in one browser, as Keycloak's ID token described them."""

    sid: str
    sub: str
    claims: Mapping[str, Any]
    id_token: str = field(repr=False)


class Sessions:
    """By an unguessable key that the browser keeps in a signed cookie."""

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()

    def begin(self, claims: Mapping[str, Any], id_token: str) -> str:
        """The key of a new session (which does not exist any more if its end came first)."""
        key = secrets.token_urlsafe(32)
        session = Session(str(claims.get("sid", "")), str(claims["sub"]), dict(claims), id_token)
        if session.sid not in self._ended:
            self._sessions[key] = session
        return key

    def find(self, key: str | None) -> Session | None:
        return self._sessions.get(key or "")

    def all(self) -> list[Session]:
        return list(self._sessions.values())

    def end(self, key: str | None) -> Session | None:
        """End one session; gives it if there was one."""
        return self._sessions.pop(key or "", None)

    def end_all(self, *, sid: str | None, sub: str | None) -> None:
        """All sessions of one Keycloak session; without `sid` all of one person (Back-Channel Logout 1.0, 2.6)."""
        if sid is not None:
            self._ended[sid] = None
            if len(self._ended) > _REMEMBERED_ENDS:
                self._ended.popitem(last=False)
        self._sessions = {
            key: each
            for key, each in self._sessions.items()
            if (each.sid != sid if sid is not None else each.sub != sub)
        }
