"""Contract of `Database`, and what holds for all stores together. SQLite's own ways are in `test_sqlite`."""

import asyncio
import threading
from datetime import timedelta
from typing import Any

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, insert, select, text

from broker.errors import StorageError, StorageUnavailable
from broker.model.task import TaskKind
from broker.ports import OneTimeKind
from broker.storage import schema
from broker.storage.database import Database, is_current, make_ready, revisions, upgrade
from broker.storage.dialects import db_now_ms
from broker.storage.migrating import config
from broker.storage.stores import Stores
from tests.contracts.stores import (
    INSTALLATION,
    NOW,
    PRIVATE_KEY,
    SECRET,
    Backend,
    at,
    installed,
    receive,
    sign_on,
    stores_on,
    uninstalled,
)
from tests.contracts.test_records import new_key

ROW = insert(schema.meta).values(key="k", value="known-value")
ROWS = select(schema.meta)


async def count(database: Database) -> int:
    """Rows of `meta`."""
    return len(await database.read(lambda connection: connection.execute(ROWS).all()))


async def test_a_new_database_is_not_current_until_it_is_upgraded(backend: Backend) -> None:
    """And an upgrade of a current one changes nothing."""
    database = backend.open()
    assert not await is_current(database)
    await upgrade(database)
    assert await is_current(database)
    await database.write(lambda connection: connection.execute(ROW))
    await upgrade(database)
    assert await count(database) == 1
    await database.close()


async def test_a_database_of_a_newer_version_is_not_current(database: Database) -> None:
    """An older broker must not write into it."""
    newer = text("UPDATE alembic_version SET version_num = '9999'")
    await database.write(lambda connection: connection.execute(newer))
    assert not await is_current(database)
    for ready in (make_ready, upgrade):
        with pytest.raises(StorageError, match="newer than this version"):
            await ready(database)


def test_the_files_tell_the_revisions_that_the_migrations_have() -> None:
    """So a start can tell without them whether anything is to be done, and the greatest of them is the newest."""
    history = ScriptDirectory.from_config(config())
    assert set(revisions()) == {script.revision for script in history.walk_revisions()}
    assert max(revisions()) == history.get_current_head()


async def test_a_schema_is_upgraded_at_start_only_where_nobody_else_can_be_serving(backend: Backend) -> None:
    """On SQLite the service does it by itself; on PostgreSQL the start stops, with the command in one line."""
    database = backend.open()
    if database.upgrades_at_start:
        await make_ready(database)
    else:
        with pytest.raises(StorageError, match=r"^[^\n]*`broker database upgrade`[^\n]*$"):
            await make_ready(database)
        await upgrade(database)
    assert await is_current(database)
    await make_ready(database)
    await database.close()


async def test_processes_that_upgrade_at_once_do_it_once(backend: Backend) -> None:
    """All end with a current database, and one of them made it."""
    opened = [backend.open() for _ in range(4)]
    upgraded = await asyncio.gather(*(upgrade(each) for each in opened))
    assert sorted(upgraded) == [False, False, False, True]
    for each in opened:
        assert await is_current(each)
        await each.close()


async def test_the_migrations_make_the_schema(database: Database) -> None:
    """What the history leads to is what the stores are written for."""

    def differences(connection: Connection) -> list[Any]:
        return list(compare_metadata(MigrationContext.configure(connection), schema.metadata))

    assert await database.read(differences) == []


async def test_work_that_fails_leaves_nothing(database: Database) -> None:
    """A transaction is all or nothing, and the next one runs."""

    def work(connection: Connection) -> None:
        connection.execute(ROW)
        raise LookupError

    with pytest.raises(LookupError):
        await database.write(work)
    assert await count(database) == 0


async def test_reading_work_can_not_write(database: Database) -> None:
    """A store that says it reads is held to it."""
    with pytest.raises(StorageError):
        await database.read(lambda connection: connection.execute(ROW))
    assert await count(database) == 0


async def test_writing_does_not_wait_for_readers(database: Database) -> None:
    """A slow reader sees the state it began with; writes and other readers go on meanwhile."""
    began, go_on = threading.Event(), threading.Event()

    def slow(connection: Connection) -> tuple[int, int]:
        before = len(connection.execute(ROWS).all())
        began.set()
        assert go_on.wait(30)
        return before, len(connection.execute(ROWS).all())

    reading = asyncio.ensure_future(database.read(slow))
    try:
        assert await asyncio.to_thread(began.wait, 30)
        async with asyncio.timeout(30):
            await database.write(lambda connection: connection.execute(ROW))
            assert await count(database) == 1
        assert not reading.done()
    finally:
        go_on.set()
    assert await reading == (0, 0)


async def test_an_error_of_the_database_names_no_value(database: Database) -> None:
    """It is a StorageError, not one to try again, and the text holds nothing that was to be kept."""
    await database.write(lambda connection: connection.execute(ROW))
    with pytest.raises(StorageError) as caught:
        await database.write(lambda connection: connection.execute(ROW))
    assert not isinstance(caught.value, StorageUnavailable)
    assert "known-value" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("half", ["\ud800", "known-value\udfff"])
async def test_half_a_character_is_an_error_of_the_database(database: Database, half: str) -> None:
    """It can't be kept in UTF-8, which is no reason to crash, or to quote it."""
    with pytest.raises(StorageError) as caught:
        await database.write(lambda connection: connection.execute(insert(schema.meta).values(key="k", value=half)))
    assert "known-value" not in str(caught.value)
    assert caught.value.__suppress_context__


async def test_a_closed_database_is_unavailable(backend: Backend) -> None:
    """Who asks too late gets an error, not silence."""
    database = backend.open()
    await upgrade(database)
    await database.close()
    with pytest.raises(StorageUnavailable):
        await count(database)


async def test_all_is_there_after_a_restart(backend: Backend, stores: Stores) -> None:
    """A new process finds facts, tasks, sign-ons, one-time values, keys and the instance id."""
    await receive(stores, installed(), [TaskKind.CONVERGE])
    kept = sign_on()
    await stores.sign_ons.save(kept)
    await stores.one_time_values.save(OneTimeKind.CODE, "v", {"a": 1}, at(60))
    before = (
        await stores.installations.find(INSTALLATION),
        await stores.issuer_keys.add_first(new_key()),
        await stores.meta.instance_id(),
    )
    database = backend.open()
    again = stores_on(database)
    after = (
        await again.installations.find(INSTALLATION),
        await again.issuer_keys.all(),
        await again.meta.instance_id(),
    )
    assert after == before
    assert await again.sign_ons.find(kept.id) == kept
    assert await again.one_time_values.consume(OneTimeKind.CODE, "v", NOW) == {"a": 1}
    assert len(await again.tasks.claim("me", {TaskKind.CONVERGE: 1}, timedelta(minutes=1))) == 1
    await database.close()


async def test_no_secret_of_an_install_is_on_disk(backend: Backend, stores: Stores) -> None:
    """Neither from the body nor from the facts; what is no secret can be seen, so the search does find."""
    await receive(stores, installed())
    content = backend.content()
    assert b"Acme" in content
    assert SECRET.encode() not in content
    assert PRIVATE_KEY.encode() not in content


async def test_erased_means_gone(database: Database, stores: Stores) -> None:
    """After the credentials are erased no sealed byte of theirs, or of the bodies, is left."""
    await receive(stores, installed(at(1)))
    await receive(stores, uninstalled(at(2)))
    await stores.installations.erase_credentials(INSTALLATION, at(2))
    sealed = select(schema.fact.c.credentials, schema.event.c.body).join(schema.event)
    rows = await database.read(lambda connection: connection.execute(sealed).all())
    assert [tuple(row) for row in rows] == [(None, None), (None, None)]


async def test_an_upgrade_asks_for_a_check_of_each_installation(backend: Backend) -> None:
    """Those that were there before the check was; spread over the day."""
    database = backend.open()
    await database.write(lambda connection: command.upgrade(config(connection), "0001"))
    rows = [{"id": f"i{number}", "slug": f"i{number}", "app": "a", "account": "b"} for number in range(20)]
    add = text("INSERT INTO installation (id, slug, app_id, account_id) VALUES (:id, :slug, :app, :account)")
    await database.write(lambda connection: connection.execute(add, rows))
    await upgrade(database)
    query = select(schema.task.c.key, schema.task.c.due_at - db_now_ms()).where(schema.task.c.kind == "check")
    due = await database.read(lambda connection: connection.execute(query).all())
    assert sorted(key for key, _ in due) == sorted(row["id"] for row in rows)
    day_ms = timedelta(days=1) // timedelta(milliseconds=1)
    assert max(wait for _, wait in due) <= day_ms
    assert max(wait for _, wait in due) - min(wait for _, wait in due) > day_ms // 2
    await database.close()
