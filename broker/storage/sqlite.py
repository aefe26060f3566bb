"""SQLite: one writing connection in a thread of its own, and a few reading ones beside it.

SQLite has one writer at a time whatever we do. Writers that queue here are served in order and wait no longer than those
before them take; writers that meet at the file's lock sleep and try again, which made the slowest ten times slower.
Those that are asked for in one turn of the event loop, or that wait while the disk takes the commit before them, are committed
together: under load a commit, the slowest part of a write, is shared by many, and so are the ways to the thread and back. Each of them
is still all or nothing, by a savepoint, and none hears of success before the commit.
In WAL mode readers see the last commit and neither wait nor are waited for.
"""

import asyncio
import os
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError

from broker.errors import StorageBusy, StorageError, StorageUnavailable

T = TypeVar("T")

_BUSY = frozenset((5, 6))  # primary result codes: busy, locked
# Those that a later try may not meet again, too: no memory, read-only, I/O, full, can't open, protocol.
_PASSING = frozenset((7, 8, 10, 13, 14, 15))

_FOR_BOTH = ("PRAGMA foreign_keys = ON",)
# FULL: a commit is on disk before Talkdesk hears 202. secure_delete: what is erased is overwritten, not only unlinked.
_FOR_WRITER = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA secure_delete = ON")
_FOR_READERS = ("PRAGMA query_only = ON",)


MOST_TOGETHER = 32
"""Writes that one commit may have: the first of them waits for the last."""


@dataclass(frozen=True)
class _Write:
    """Work that waits for its turn, and whoever waits for it."""

    work: Callable[[Connection], Any]
    done: asyncio.Future[Any]
    context: Context = field(default_factory=copy_context)
    """Of whoever waits: what his log lines say is said in the work, too."""


@dataclass(frozen=True)
class _Done:
    result: Any


class SqliteDatabase:
    """`Database` on one SQLite file, which is made on first use, readable by its owner only."""

    upgrades_at_start = True

    def __init__(self, path: str, *, readers: int = 2, busy_timeout_s: float = 5.0) -> None:
        """`busy_timeout_s`: how long to wait for another process that writes (a command, a backup)."""
        self._path = Path(path)
        timeout = f"PRAGMA busy_timeout = {int(busy_timeout_s * 1000)}"
        self._writing = _engine(path, 1, "BEGIN IMMEDIATE", (timeout, *_FOR_BOTH, *_FOR_WRITER))
        self._reading = _engine(path, readers, "BEGIN", (timeout, *_FOR_BOTH, *_FOR_READERS))
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="sqlite-write")
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="sqlite-read")
        self._waiting: deque[_Write] = deque()
        self._is_called = False

    async def read(self, work: Callable[[Connection], T]) -> T:
        """As the port says."""
        return await asyncio.wrap_future(self._submit(self._readers, self._read, work))

    async def write(self, work: Callable[[Connection], T]) -> T:
        """As the port says."""
        loop = asyncio.get_running_loop()
        write = _Write(work, loop.create_future())
        self._waiting.append(write)
        if not self._is_called:
            self._is_called = True
            loop.call_soon(self._call_writer, loop)
        done: T = await write.done
        return done

    async def close(self) -> None:
        """As the port says."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._readers.shutdown()
        self._writer.shutdown()
        self._reading.dispose()
        self._writing.dispose()

    def _submit(self, threads: ThreadPoolExecutor, call: Callable[..., T], *arguments: Any) -> Future[T]:
        try:
            return threads.submit(call, *arguments)
        except RuntimeError:
            raise StorageUnavailable("the database is closed") from None

    def _read(self, work: Callable[[Connection], T]) -> T:
        try:
            self._see_to_file()
            with self._reading.begin() as connection:
                return work(connection)
        except (DBAPIError, UnicodeEncodeError) as error:
            raise self._translated(error) from None

    def _call_writer(self, loop: asyncio.AbstractEventLoop) -> None:
        """Once in a turn of the event loop, for all that it asked for."""
        self._is_called = False
        try:
            self._submit(self._writer, self._write_waiting, loop)
        except StorageUnavailable as closed:
            _tell([(self._waiting.popleft(), closed) for _ in range(len(self._waiting))])

    def _write_waiting(self, loop: asyncio.AbstractEventLoop) -> None:
        """Whatever waits by now: often an earlier call has done all."""
        while taken := [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_TOGETHER))]:
            writes = [write for write in taken if not write.done.cancelled()]
            if writes:
                loop.call_soon_threadsafe(_tell, list(zip(writes, self._write_together(writes), strict=True)))

    def _write_together(self, writes: Sequence[_Write]) -> Sequence[_Done | Exception]:
        """In one transaction; what became of each."""
        try:
            self._see_to_file()
            with self._writing.begin() as connection:
                outcomes = _carry_out(connection, writes)
        except Exception as error:  # noqa: BLE001 (whatever it is, it belongs to those who wait)
            outcomes = [error] * len(writes)
        return [self._translated(each) if isinstance(each, Exception) else each for each in outcomes]

    def _translated(self, error: Exception) -> Exception:
        if isinstance(error, DBAPIError):
            return _translated(error, self._path)
        if isinstance(error, UnicodeEncodeError):
            # Half a surrogate pair. The error itself would quote the text.
            return StorageError(f"{self._path}: a text can't be kept in UTF-8")
        return error

    def _see_to_file(self) -> None:
        if not self._path.exists():
            self._make_file()

    def _make_file(self) -> None:
        # SQLite would make it readable for everybody; its -wal and -shm files take the mode of this one.
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise StorageUnavailable(f"{self._path} can't be made: {error.strerror}") from None


def _tell(outcomes: Sequence[tuple[_Write, _Done | Exception]]) -> None:
    """Those who wait, in their event loop."""
    for write, outcome in outcomes:
        if write.done.done():
            continue  # given up meanwhile
        if isinstance(outcome, _Done):
            write.done.set_result(outcome.result)
        else:
            outcome.__suppress_context__ = True  # as `from None` does: the driver's error may quote values
            write.done.set_exception(outcome)


def _carry_out(connection: Connection, writes: Sequence[_Write]) -> list[_Done | Exception]:
    """Each by itself: what one raises undoes that one alone. Raises where SQLite has undone all, as it does when the disk is full."""
    if len(writes) == 1:
        return [_Done(writes[0].context.run(writes[0].work, connection))]
    outcomes: list[_Done | Exception] = []
    for write in writes:
        connection.exec_driver_sql("SAVEPOINT one")
        try:
            outcomes.append(_Done(write.context.run(write.work, connection)))
        except Exception as error:
            if not _is_in_transaction(connection):
                raise
            connection.exec_driver_sql("ROLLBACK TO one")
            outcomes.append(error)
        connection.exec_driver_sql("RELEASE one")
    return outcomes


def _is_in_transaction(connection: Connection) -> bool:
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver.in_transaction


def _engine(path: str, connections: int, begin: str, pragmas: tuple[str, ...]) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=path), pool_size=connections, max_overflow=0, hide_parameters=True
    )

    def _prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the driver's own BEGIN is deferred, and comes too late for a read
        for pragma in pragmas:
            connection.execute(pragma)

    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _translated(error: DBAPIError, path: Path) -> StorageError:
    # The first line of SQLite's text names tables and columns, never values.
    text = str(error.orig).partition("\n")[0]
    code = getattr(error.orig, "sqlite_errorcode", None)
    if code is not None and code & 0xFF in _BUSY:
        return StorageBusy(f"{path}: {text}")
    if code is not None and code & 0xFF in _PASSING:
        return StorageUnavailable(f"{path}: {text}")
    return StorageError(f"{path}: {text}")
