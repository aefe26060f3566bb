"""One id through all: a request's id stands in its log lines, and in those of the tasks that follow from it.

Owns: what the context of a log line says of where it comes from. Leaves to others: the id (`web.middleware`), keeping it (`storage.sql_tasks`).
"""

from structlog.contextvars import bind_contextvars, get_contextvars

from broker.model.task import Claim


def request_id() -> str | None:
    """Of the request that is being answered, or that asked for the task that is being done."""
    found = get_contextvars().get("request_id")
    return found if isinstance(found, str) else None


def begin_task(claim: Claim) -> None:
    """From here on every log line of this context names the task and the request that asked for it; so do tasks that follow from it."""
    bind_contextvars(kind=claim.task.kind.value, key=claim.task.key)
    if claim.request_id:
        bind_contextvars(request_id=claim.request_id)
