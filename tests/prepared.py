"""A database that was made once for all tests of a process: schema, sealing key, issuer key.

Making them takes longer than most tests. What is copied is what a first start leaves behind; first starts have tests of their own.
"""

import asyncio
import atexit
import shutil
import tempfile
import threading
from functools import cache
from pathlib import Path

from broker.app import utc_now
from broker.issuer.keys import SigningKeys
from broker.storage.database import open_database, upgrade
from broker.storage.sealing_keys import load_keys
from broker.storage.stores import open_stores


def copy_into(folder: Path) -> None:
    """Put the prepared files there, unless a database is there already."""
    if not (folder / "broker.sqlite3").exists():
        shutil.copytree(_prepared(), folder, dirs_exist_ok=True)


@cache
def _prepared() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="prepared-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    # A loop of its own, in a thread of its own: the tests' loop is running.
    thread = threading.Thread(target=lambda: asyncio.run(_prepare(folder)))
    thread.start()
    thread.join()
    return folder


async def _prepare(folder: Path) -> None:
    database = open_database(f"sqlite:///{folder / 'broker.sqlite3'}")
    await upgrade(database)
    stores = open_stores(database, load_keys(made_below=folder), utc_now)
    await SigningKeys.load(stores.issuer_keys)
    await database.close()
