"""SQLite: one writing connection in a thread of its own, and a few reading ones beside it.

SQLite has one writer at a time whatever we do. Writers that queue here are served in order and wait no longer than those
before them take; writers that meet at the file's lock sleep and try again, which made the slowest ten times slower.
In WAL mode readers see the last commit and neither wait nor are waited for.
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError

from broker.errors import StorageError, StorageUnavailable

T = TypeVar("T")

# Primary result codes that a later try may not meet again: busy, locked, no memory, read-only, I/O, full, can't open, protocol.
_PASSING = frozenset((5, 6, 7, 8, 10, 13, 14, 15))

_FOR_BOTH = ("PRAGMA foreign_keys = ON",)
# FULL: a commit is on disk before Talkdesk hears 202. secure_delete: what is erased is overwritten, not only unlinked.
_FOR_WRITER = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA secure_delete = ON")
_FOR_READERS = ("PRAGMA query_only = ON",)


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

    async def read(self, work: Callable[[Connection], T]) -> T:
        """As the port says."""
        return await self._submit(self._readers, self._reading, work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """As the port says."""
        return await self._submit(self._writer, self._writing, work)

    async def close(self) -> None:
        """As the port says."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        self._readers.shutdown()
        self._writer.shutdown()
        self._reading.dispose()
        self._writing.dispose()

    async def _submit(self, threads: ThreadPoolExecutor, engine: Engine, work: Callable[[Connection], T]) -> T:
        try:
            running = asyncio.get_running_loop().run_in_executor(threads, self._run, engine, work)
        except RuntimeError:
            raise StorageUnavailable("the database is closed") from None
        return await running

    def _run(self, engine: Engine, work: Callable[[Connection], T]) -> T:
        try:
            if not self._path.exists():
                self._make_file()
            with engine.begin() as connection:
                return work(connection)
        except DBAPIError as error:
            raise _translated(error, self._path) from None
        except UnicodeEncodeError:
            # Half a surrogate pair. The error itself would quote the text.
            raise StorageError(f"{self._path}: a text can't be kept in UTF-8") from None

    def _make_file(self) -> None:
        # SQLite would make it readable for everybody; its -wal and -shm files take the mode of this one.
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise StorageUnavailable(f"{self._path} can't be made: {error.strerror}") from None


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
    if code is not None and code & 0xFF in _PASSING:
        return StorageUnavailable(f"{path}: {text}")
    return StorageError(f"{path}: {text}")
