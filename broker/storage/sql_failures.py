"""Failed sign-ons, and how many of an installation's failed in a row.

The record, the count and the task that follows are one transaction: an alert is asked for exactly when the count says so, at most once an
hour for each installation, by whichever process.
"""

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, case, exists, insert, or_, select, update

from broker.model.failure import Failure, Stage, Streak
from broker.model.names import InstallationId
from broker.model.task import Task, TaskKind
from broker.storage import schema
from broker.storage.database import Database
from broker.storage.dialects import insert_new
from broker.storage.sql_tasks import enqueue

FORGOTTEN_AFTER = timedelta(days=1)
"""A row ends after so long without a failure, also where no launch reached the app."""
ALERT_EVERY = timedelta(hours=1)

_failing = schema.failing.c

# Built once: to build one costs more than to run it, and every launch asks.
_IN_A_ROW = and_(_failing.installation_id == bindparam("which"), _failing.in_a_row > 0)
_FAILS = select(exists().where(_IN_A_ROW))
_FAILS_NO_MORE = update(schema.failing).where(_IN_A_ROW).values(in_a_row=0)


class SqlFailures:
    """Port `Failures`."""

    def __init__(self, database: Database) -> None:
        """Failures in this database."""
        self._database = database

    async def save(self, failure: Failure, *, alert_after: int | None = None) -> None:
        """As the port says."""
        row = {**vars(failure), "stage": failure.stage.value}

        def work(connection: Connection) -> None:
            connection.execute(insert(schema.failure), row)
            if alert_after is not None and failure.installation is not None:
                _count(connection, failure, failure.installation, alert_after)

        await self._database.write(work)

    async def find(self, reference: str) -> Failure | None:
        """As the port says."""
        query = select(schema.failure).where(schema.failure.c.reference == reference)
        row = await self._database.read(lambda connection: connection.execute(query).first())
        return None if row is None else failure_of(row)

    async def launch_arrived(self, installation: InstallationId) -> None:
        """As the port says. Mostly there is no row, and nothing is written."""
        which = {"which": installation}
        if await self._database.read(lambda connection: connection.scalar(_FAILS, which)):
            await self._database.write(lambda connection: connection.execute(_FAILS_NO_MORE, which))

    async def streak(self, installation: str) -> Streak | None:
        """As the port says."""
        query = (
            select(schema.failure, _failing.in_a_row)
            .join(schema.failing, _failing.last_reference == schema.failure.c.reference)
            .where(_failing.installation_id == installation, _failing.in_a_row > 0)
        )
        row = await self._database.read(lambda connection: connection.execute(query).first())
        return None if row is None else Streak(row.in_a_row, failure_of(row))


def failure_of(row: Row[Any]) -> Failure:
    """A row of the table `failure`, perhaps with more beside it."""
    columns = {column.name: getattr(row, column.name) for column in schema.failure.columns}
    return Failure(**{**columns, "stage": Stage(row.stage)})


def _count(connection: Connection, failure: Failure, installation: str, alert_after: int) -> None:
    # A link may name anything: only what Talkdesk told us of gets a row.
    if not connection.scalar(select(exists().where(schema.installation.c.id == installation))):
        return
    new = {"installation_id": installation, "in_a_row": 0, "last_at": failure.at, "last_reference": failure.reference}
    insert_new(connection, schema.failing, ("installation_id",), new)
    is_ours = _failing.installation_id == installation
    is_new_row = _failing.last_at < failure.at - FORGOTTEN_AFTER
    one_more = {
        "in_a_row": case((is_new_row, 1), else_=_failing.in_a_row + 1),
        "last_at": failure.at,
        "last_reference": failure.reference,
    }
    in_a_row = connection.scalar(update(schema.failing).where(is_ours).values(one_more).returning(_failing.in_a_row))
    if in_a_row is None or in_a_row < alert_after:
        return
    is_time = or_(_failing.alerted_at.is_(None), _failing.alerted_at <= failure.at - ALERT_EVERY)
    alerted = update(schema.failing).where(is_ours, is_time).values(alerted_at=failure.at)
    if connection.execute(alerted).rowcount:
        enqueue(connection, Task(TaskKind.ALERT, installation))
