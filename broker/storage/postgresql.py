"""PostgreSQL: a pool of connections, each used by one thread at a time; any number of processes on one database.

Writes are READ COMMITTED, each statement on the newest commits. What must not run side by side takes a lock that it names
(`dialects.hold`); docs/decisions/0008 has the list, and why this is not SERIALIZABLE. Reads are one snapshot, and can't write.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine
from sqlalchemy.exc import DBAPIError

from broker.errors import StorageError, StorageUnavailable

T = TypeVar("T")

CONNECTIONS = 10
"""Of one process. PostgreSQL allows 100 for all, unless it is told otherwise."""

# A process that is frozen or cut off within a transaction holds its locks no longer than this, and nobody waits longer for one.
_SESSION = "-c timezone=UTC -c idle_in_transaction_session_timeout=10s -c lock_timeout=10s -c statement_timeout=30s"
# Otherwise a server that is gone without a word is waited for for a quarter of an hour.
_NETWORK = {"connect_timeout": 5, "keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}

# Two transactions met, and this one was undone as a whole (deadlock, serialization failure).
_MET = frozenset(("40P01", "40001"))
_MOST_RUNS = 5
# Classes and codes (PostgreSQL, appendix A) that a later try may not meet again: connection, transaction undone, resources
# (disk full, too many connections), lock not available, operator's intervention (restart, time-outs), system, read-only.
_PASSING = ("08", "25P03", "25P04", "40", "53", "55P03", "57", "58")
_READ_ONLY = "25006"


class PostgresqlDatabase:
    """`Database` on PostgreSQL. The server is first asked when it is first needed, and found again after it was away."""

    upgrades_at_start = False

    def __init__(self, url: URL, *, connections: int = CONNECTIONS) -> None:
        """`connections` is how many run at once; what comes beyond that waits its turn."""
        self._name = f"PostgreSQL at {url.host or 'the local socket'}{f':{url.port}' if url.port else ''}"
        self._engine = _engine(url, connections)
        self._reading = self._engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        self._threads = ThreadPoolExecutor(connections, thread_name_prefix="postgresql")

    async def read(self, work: Callable[[Connection], T]) -> T:
        """As the port says."""
        return await self._submit(self._reading, work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """As the port says."""
        return await self._submit(self._engine, work)

    async def close(self) -> None:
        """As the port says."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._threads.shutdown()
        self._engine.dispose()

    async def _submit(self, engine: Engine, work: Callable[[Connection], T]) -> T:
        try:
            running = asyncio.get_running_loop().run_in_executor(
                self._threads, copy_context().run, self._run, engine, work
            )
        except RuntimeError:
            raise StorageUnavailable("the database is closed") from None
        return await running

    def _run(self, engine: Engine, work: Callable[[Connection], T]) -> T:
        for run in range(1, _MOST_RUNS + 1):
            has_worked = False
            try:
                with engine.begin() as connection:
                    result = work(connection)
                    has_worked = True
            except DBAPIError as error:
                # A connection that died while it lay in the pool, as all do when the server restarts, is found out by its next use.
                # Before the commit is asked for, nothing of the work can have been kept, so another connection may do it again.
                is_undone = _code_of(error) in _MET or (error.connection_invalidated and not has_worked)
                if is_undone and run < _MOST_RUNS:
                    continue
                raise self._translated(error, is_writing=engine is self._engine) from None
            except UnicodeEncodeError:
                # Half a surrogate pair. The error itself would quote the text.
                raise StorageError(f"{self._name}: a text can't be kept in UTF-8") from None
            else:
                return result
        raise AssertionError("the last run returned or raised")

    def _translated(self, error: DBAPIError, *, is_writing: bool) -> StorageError:
        code = _code_of(error)
        if code is None and _is_operational(error):
            # No answer at all: refused, cut off, not found. The driver's text names the address, never values or the password.
            return StorageUnavailable(f"{self._name}: {str(error.orig).partition(chr(10))[0]}")
        if code is not None and (code.startswith(_PASSING) or (code == _READ_ONLY and is_writing)):
            return StorageUnavailable(f"{self._name}: {_what_of(error)}")
        return StorageError(f"{self._name}: {_what_of(error)}")


def _engine(url: URL, connections: int) -> Engine:
    given = {name: value for name, value in _NETWORK.items() if name not in url.query}
    options = url.query.get("options", "")
    session = f"{_SESSION} {options}" if isinstance(options, str) else _SESSION
    return create_engine(
        url,
        connect_args={"fallback_application_name": "broker", **given, "options": session.strip()},
        pool_size=connections,
        max_overflow=0,
        isolation_level="READ COMMITTED",  # whatever the server's default is
        hide_parameters=True,
    )


def _code_of(error: DBAPIError) -> str | None:
    code: str | None = getattr(error.orig, "sqlstate", None)
    return code


def _is_operational(error: DBAPIError) -> bool:
    return error.connection_invalidated or type(error.orig).__name__ == "OperationalError"


def _what_of(error: DBAPIError) -> str:
    """What happened without the server's own sentence, which may quote a value."""
    diagnostics: Any = getattr(error.orig, "diag", None)
    names = [getattr(diagnostics, f"{kind}_name", None) for kind in ("table", "column", "constraint")]
    return " ".join(filter(None, [type(error.orig).__name__, _code_of(error), *names]))
