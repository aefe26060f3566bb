"""`broker keys rotate` as a process of its own that is killed, on both databases."""

import asyncio
import base64
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from pathlib import Path

import pytest
from sqlalchemy import insert

from broker.model.names import InstallationId
from broker.ports import OneTimeKind
from broker.storage import schema
from broker.storage.database import Database
from broker.storage.sealed_values import SealedValues
from broker.storage.sealing import Sealer, place_of
from broker.storage.stores import open_stores
from tests.contracts.stores import NOW, Backend, PostgresqlBackend, SqliteBackend, at, installed, receive
from tests.waiting import eventually

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).parents[2]
KEYS = {"new": bytes([1] * 32), "old": bytes(32)}
BEFORE, AFTER = Sealer(KEYS, "old"), Sealer({"new": KEYS["new"]}, "new")
MANY = 20_000
WRITES = 10


async def seal_many(database: Database) -> None:
    """So many values of the old key that sealing them anew takes a while."""

    def row(number: int) -> dict[str, object]:
        digest = f"{number:064x}"
        content = BEFORE.seal(b"{}", place=place_of("one_time", "content", OneTimeKind.CODE.value, digest))
        values = {"kind": OneTimeKind.CODE.value, "digest": digest, "content": content}
        return {**values, "expires_at": at(60), "is_consumed": False}

    rows = [row(number) for number in range(MANY)]
    await database.write(lambda connection: connection.execute(insert(schema.one_time), rows))


async def count_by_key(database: Database) -> Mapping[str, int]:
    """How many values each key seals."""
    found = dict.fromkeys(KEYS, 0)
    for use in await SealedValues(database, AFTER).uses():
        found[use.key] += use.values
    return found


async def start_rotation(backend: Backend) -> Process:
    """The command, with the new key first."""
    assert isinstance(backend, SqliteBackend | PostgresqlBackend)
    url = (
        f"sqlite:///{backend.directory / 'broker.sqlite3'}"
        if isinstance(backend, SqliteBackend)
        else backend.url.render_as_string(hide_password=False)
    )
    keys = ",".join(f"{key_id}:{base64.b64encode(key).decode()}" for key_id, key in KEYS.items())
    clean = {name: value for name, value in os.environ.items() if not name.startswith("BROKER_")}
    settings = {"BROKER_DATABASE_URL": url, "BROKER_SEALING_KEYS": keys}
    command = (sys.executable, "-m", "broker", "keys", "rotate")
    return await asyncio.create_subprocess_exec(*command, cwd=ROOT, env=clean | settings, stdout=PIPE, stderr=PIPE)


async def test_a_rotation_that_is_killed_is_taken_up_again(backend: Backend, database: Database) -> None:
    """Killed in the middle, while a service writes: nothing is unreadable, and the next run does what is left, no more."""
    await seal_many(database)
    service = open_stores(database, Sealer(KEYS, "new"), lambda: NOW)

    async def has_begun() -> bool:
        return (await count_by_key(database))["new"] > 0

    first = await start_rotation(backend)
    try:
        await eventually(has_begun, what="values are sealed anew")
        for number in range(WRITES):
            await receive(service, installed(installation=InstallationId(f"i{number}")))
    finally:
        first.kill()
        await first.communicate()
    left = (await count_by_key(database))["old"]
    assert 0 < left < MANY, "it was killed in the middle"
    second = await start_rotation(backend)
    said, errors = await second.communicate()
    assert second.returncode == 0, errors.decode()
    assert f": {left} values." in said.decode()
    assert await count_by_key(database) == {"old": 0, "new": MANY + 2 * WRITES}
    kept = open_stores(database, AFTER, lambda: NOW)
    for number in range(WRITES):
        assert await kept.installations.find(InstallationId(f"i{number}"))
    await SealedValues(database, AFTER).require_keys()
