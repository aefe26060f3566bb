"""A copy of the SQLite database while services use it: whole, as of one instant, by SQLite's own backup."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from broker.errors import StorageError


def copy_sqlite(source: Path, target: Path) -> None:
    """Make `target`, which must not be there yet; only its owner may read it. Raises StorageError."""
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise StorageError(f"{target} can't be made: {error.strerror}") from None
    try:
        with (
            closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as there,
            closing(sqlite3.connect(target)) as copy,
        ):
            there.backup(copy)
    except sqlite3.Error as error:
        target.unlink()
        raise StorageError(f"the copy can't be made: {error}") from None
