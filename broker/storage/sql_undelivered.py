"""Logout tokens that did not reach an app, until the operator was told of them; as parts of transactions.

The count and the task that follows are one transaction with what they count, so no crash loses an alert.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection, select, update

from broker.model.delivery import DeliveryState, Undelivered
from broker.model.task import Task, TaskKind
from broker.storage.dialects import insert_new
from broker.storage.schema import delivery
from broker.storage.schema import undelivered as table
from broker.storage.sql_tasks import enqueue_in_time

_AT_ONCE = timedelta()


def count_undelivered(connection: Connection, relay: str, number: int) -> None:
    """One more, of this number; ask for the task that tells of it."""
    insert_new(connection, table, ("relay",), {"relay": relay, "untold": 0, "latest": number})
    one_more = {"untold": table.c.untold + 1, "latest": number}
    connection.execute(update(table).where(table.c.relay == relay).values(one_more))
    # When it may be told is the task's affair: it waits where an alert went out within the hour.
    enqueue_in_time(connection, Task(TaskKind.ALERT_UNDELIVERED, relay), _AT_ONCE)


def find_undelivered(connection: Connection, relay: str) -> Undelivered | None:
    """What the operator was not told of yet; None where there is nothing."""
    query = (
        select(table, delivery.c.state, delivery.c.answer)
        .join(delivery, delivery.c.number == table.c.latest, isouter=True)
        .where(table.c.relay == relay, table.c.untold > 0)
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    state = DeliveryState(row.state) if row.state else None
    return Undelivered(row.untold, row.latest, state, row.answer, row.alerted_at)


def mark_alerted(connection: Connection, relay: str, told: Undelivered, now: datetime) -> None:
    """The operator was told of these; what came meanwhile is left."""
    change = {"untold": table.c.untold - told.untold, "alerted_at": now}
    connection.execute(update(table).where(table.c.relay == relay).values(change))
