"""Logs: one line an event, JSON for programs, readable on a terminal; what looks like a secret is blotted out.

The rule is that nobody logs a secret; the redaction here is the net below it.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from structlog.typing import Processor

_SECRET_NAME = re.compile(
    r"secret|password|private|assertion|token$|^code$|code_verifier|authorization|cookie|body", re.I
)
_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")
"""A JWS, wherever it stands."""

# These log addresses with their queries, in which codes and states travel.
_QUIET = ("httpx", "httpcore", "keycloak", "uvicorn.access", "alembic", "sqlalchemy")


def configure(*, readable: bool | None = None) -> None:
    """Log to standard error; `readable` is by default whether that is a terminal."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    is_readable = sys.stderr.isatty() if readable is None else readable
    renderer: Processor = (
        structlog.dev.ConsoleRenderer() if is_readable else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        # Said, since what `configure_for_commands` chose would stay.
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def configure_for_commands() -> None:
    """Warnings only, to standard error: what a command did it says itself, and its output may be read by a program."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blot out values with a secret's name, and anything in a text that is a token."""
    for name, value in event.items():
        if _SECRET_NAME.search(name) and value is not None:
            event[name] = "[redacted]"
        elif isinstance(value, str):
            event[name] = _TOKEN.sub("[token]", value)
    return event
