"""Sessions of a realm that somebody else owns, through Keycloak's admin API (port `RealmSessions`).

Owns: the one call, and what its status codes mean. Keycloak tells the session's apps before it answers. Needs the role `manage-users`, which can
do far more than this: the operator gives it on purpose (`END_FOREIGN_SESSIONS`), nothing else of ours uses it.
"""

from http import HTTPStatus

from broker.errors import KeycloakError
from broker.realm.connection import RealmConnection, path_part, translated


class KeycloakSessions:
    """The real ones."""

    def __init__(self, connection: RealmConnection) -> None:
        """Calls nothing yet."""
        self._connection = connection

    async def end(self, session: str) -> int:
        """As the port says."""
        path = f"admin/realms/{self._connection.realm_name}/sessions/{path_part(session)}"
        with translated("end a session"):
            status: int = (await self._connection.a_raw_delete(path)).status_code
        if status == HTTPStatus.FORBIDDEN:
            detail = "a session that Talkdesk did not begin can't be ended without the role manage-users"
            raise KeycloakError(detail, status=status)
        if status not in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND):
            raise KeycloakError(f"end a session: Keycloak answered {status}", status=status)
        return status
