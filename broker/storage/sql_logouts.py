"""What `user.logout` events said, and who was signed out because their licence went."""

from sqlalchemy import Text, cast, exists, select

from broker.model.logout import LogoutCause
from broker.model.task import TaskKind
from broker.ports import Asked
from broker.storage import schema
from broker.storage.database import Database
from broker.storage.fact_rows import logout_of
from broker.storage.sql_tasks import DONE

_CAUSES = {"user.logout": LogoutCause.USER_LOGOUT, "app.updated": LogoutCause.REMOVED}
_logout, _task = schema.user_logout.c, schema.task.c


class SqlLogouts:
    """Port `Logouts`."""

    def __init__(self, database: Database) -> None:
        """Logouts in this database."""
        self._database = database

    async def get(self, number: int) -> Asked:
        """As the port says."""
        query = (
            select(schema.user_logout, schema.event.c.type, schema.event.c.received_at)
            .join(schema.event, schema.event.c.number == _logout.event)
            .where(_logout.number == number)
        )
        row = await self._database.read(lambda connection: connection.execute(query).first())
        if row is None:
            raise KeyError(number)
        return Asked(logout_of(row), _CAUSES.get(row.type, LogoutCause.OPERATOR), row.event, row.received_at)

    async def are_done(self, event: str) -> bool:
        """As the port says; by the first round, after which Keycloak was told of everybody who was in then."""
        is_open = exists().where(
            _logout.event == int(event),
            _task.kind == TaskKind.SIGN_OUT.value,
            _task.key == cast(_logout.number, Text) + "#1",
            _task.state != DONE,
        )
        return not await self._database.read(lambda connection: connection.scalar(select(is_open)))
