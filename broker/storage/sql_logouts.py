"""What `user.logout` events said, and who was signed out because their licence went."""

from sqlalchemy import Text, cast, exists, select

from broker.model.facts import LoggedOut
from broker.model.task import TaskKind
from broker.storage import schema
from broker.storage.database import Database
from broker.storage.fact_rows import logout_of
from broker.storage.sql_tasks import DONE

_logout, _task = schema.user_logout.c, schema.task.c


class SqlLogouts:
    """Port `Logouts`."""

    def __init__(self, database: Database) -> None:
        """Logouts in this database."""
        self._database = database

    async def get(self, number: int) -> LoggedOut:
        """As the port says."""
        query = select(schema.user_logout).where(_logout.number == number)
        row = await self._database.read(lambda connection: connection.execute(query).first())
        if row is None:
            raise KeyError(number)
        return logout_of(row)

    async def are_done(self, event: str) -> bool:
        """As the port says; by the first round, after which Keycloak was told of everybody who was in then."""
        is_open = exists().where(
            _logout.event == int(event),
            _task.kind == TaskKind.SIGN_OUT.value,
            _task.key == cast(_logout.number, Text) + "#1",
            _task.state != DONE,
        )
        return not await self._database.read(lambda connection: connection.scalar(select(is_open)))
