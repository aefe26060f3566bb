"""What is kept for a time only: bodies of events, tasks that are done, failures.

Leaves to others: one-time values, which have an end of their own (`sql_one_time`), and credentials, which are erased with their
installation (`sql_installations`). Tasks that were given up stay, since somebody has to look.
"""

from datetime import datetime

from sqlalchemy import Connection, delete, literal, select, tuple_, update

from broker.storage import schema
from broker.storage.database import Database
from broker.storage.sql_tasks import DONE

_event, _task, _failure = schema.event.c, schema.task.c, schema.failure.c


class SqlRetention:
    """Port `Retention`."""

    def __init__(self, database: Database) -> None:
        """Records of this database."""
        self._database = database

    async def forget(self, before: datetime, most: int) -> int:
        """As the port says."""
        # Rows that another process is erasing are passed over: several that do so at once wait for nobody.
        old_events = (
            select(_event.number)
            .where(_event.body.is_not(None), _event.received_at < before)
            .order_by(_event.received_at)
            .limit(most)
            .with_for_update(skip_locked=True)
        )
        # A task that is done was last due shortly before: at its claim.
        old_tasks = (
            select(_task.kind, _task.key)
            .where(_task.state == DONE, _task.due_at < literal(before, schema.Instant()))
            .limit(most)
            .with_for_update(skip_locked=True)
        )
        old_failures = (
            select(_failure.reference).where(_failure.at < before).limit(most).with_for_update(skip_locked=True)
        )

        def work(connection: Connection) -> int:
            return sum(
                connection.execute(change).rowcount
                for change in (
                    update(schema.event).where(_event.number.in_(old_events)).values(body=None),
                    delete(schema.task).where(tuple_(_task.kind, _task.key).in_(old_tasks)),
                    delete(schema.failure).where(_failure.reference.in_(old_failures)),
                )
            )

        return await self._database.write(work)
