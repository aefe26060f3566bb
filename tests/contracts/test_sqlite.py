"""SQLite's own ways: plans, files, modes, and errors of a database that is locked, closed to us, or none."""

import asyncio
import re
import stat
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, event, insert, select

from broker.errors import StorageBusy, StorageError, StorageUnavailable
from broker.model.delivery import DeliveryState, ReceivedToken
from broker.model.event import EventState
from broker.model.facts import LicencesChanged
from broker.model.failure import Failure, Stage
from broker.model.logout import Logout, LogoutCause
from broker.model.sign_on import SignOnState
from broker.model.task import TaskKind
from broker.ports import OneTimeKind
from broker.storage import schema
from broker.storage.database import open_database, upgrade
from broker.storage.sqlite import SqliteDatabase
from broker.storage.stores import Stores
from tests.contracts.stores import (
    ACCOUNT,
    APP,
    INSTALLATION,
    NOW,
    USER,
    at,
    event_of,
    installed,
    logged_out,
    receive,
    sign_on,
    stores_on,
)
from tests.contracts.test_records import new_key
from tests.waiting import eventually

ROW = insert(schema.meta).values(key="k", value="known-value")


@contextmanager
def statements() -> Iterator[list[tuple[str, Any]]]:
    """All statements, with their parameters, that any database runs meanwhile."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        seen.append((statement, parameters[0] if many else parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def call_everything(stores: Stores) -> None:
    """Every method of every store."""
    event_ = event_of(installed())
    await stores.events.receive(event_, [installed()], list(TaskKind))
    await receive(stores, logged_out(), [TaskKind.SIGN_OUT])
    [(number, _)] = await stores.events.unanswered(INSTALLATION)
    await stores.events.get(number)
    await stores.events.mark_answered(number, "approve")
    found = await stores.installations.find(INSTALLATION)
    assert found is not None
    await stores.installations.find_by_slug(found.slug)
    await stores.installations.active_apps(ACCOUNT)
    removal = LicencesChanged(INSTALLATION, APP, ACCOUNT, frozenset(), frozenset({USER}), NOW)
    await receive(stores, removal, [TaskKind.SIGN_OUT])
    await stores.installations.is_removed(found, USER)
    assert found.credentials is not None
    await stores.installations.mark_proven(INSTALLATION, found.credentials, NOW)
    await stores.installations.retire_credentials(INSTALLATION, [replace(found.credentials, key_id="another")])
    await stores.installations.erase_credentials(INSTALLATION, NOW)
    await stores.installations.suspend(INSTALLATION, NOW)
    await stores.installations.resume(INSTALLATION, NOW)
    await stores.installations.mark_suspect(INSTALLATION, NOW)
    await stores.installations.clear_suspect(INSTALLATION)
    await stores.events.get_whole(number)
    unread = replace(event_of(installed()), state=EventState.UNREADABLE)
    await stores.events.receive(unread, [], [])
    await stores.events.replay("4", replace(unread, state=EventState.TAKEN), [installed()], [])
    await stores.logouts.get(1)
    await stores.logouts.are_done(number)
    claims = await stores.tasks.claim("me", dict.fromkeys(TaskKind, 1), timedelta(minutes=1))
    await stores.tasks.enqueue(claims[0].task)
    await stores.tasks.finish(claims[0])
    await stores.tasks.postpone(claims[1], timedelta(0), "e")
    await stores.tasks.give_up(claims[2], "e")
    await stores.tasks.next_due()
    record = await stores.provider_records.reserve(INSTALLATION)
    await stores.provider_records.mark_live(record.alias)
    await stores.provider_records.find_latest(INSTALLATION)
    await stores.provider_records.used(INSTALLATION)
    await stores.provider_records.mark_withdrawn(record.alias)
    await stores.one_time_values.save(OneTimeKind.CODE, "v", {}, at(60))
    await stores.one_time_values.find(OneTimeKind.CODE, "v", NOW)
    await stores.one_time_values.consume(OneTimeKind.CODE, "v", NOW)
    await stores.one_time_values.has_open(OneTimeKind.CODE, "holder", NOW)
    await stores.one_time_values.delete_expired(NOW)
    kept = sign_on(at(1))
    await stores.sign_ons.save(kept)
    await stores.sign_ons.find(kept.id)
    await stores.sign_ons.advance(kept.id, SignOnState.REDEEMED)
    await stores.sign_ons.of_person(ACCOUNT, USER, NOW)
    await stores.sign_ons.of_account(ACCOUNT, NOW, INSTALLATION, 10)
    await stores.sign_ons.user_of_email(ACCOUNT, "a@b.test")
    await stores.sign_ons.is_known(ACCOUNT, USER)
    await stores.sign_ons.has_newer(ACCOUNT, USER, NOW)
    await stores.sign_ons.end([kept.id])
    await stores.sign_ons.take([kept.id], 1, timedelta(seconds=1))
    await stores.sign_ons.note_answer([kept.id], 200)
    await stores.sign_ons.note_session(kept.id, "session", "user")
    await stores.sign_ons.of_account(ACCOUNT, NOW, INSTALLATION, 10, kept)
    await stores.sign_ons.end_old(NOW)
    await stores.sign_ons.mark_told([kept.id])
    logout = await stores.logout_records.begin(
        Logout(LogoutCause.USER_LOGOUT, "1", 1, ACCOUNT, USER, INSTALLATION), NOW
    )
    await stores.logout_records.note_problem(logout, "p")
    await stores.logout_records.mark_told(logout, NOW, None)
    token = ReceivedToken("app", "jti", "other", "user", at(120), "token")
    delivery = await stores.deliveries.receive(token, NOW, NOW)
    assert delivery is not None
    await stores.deliveries.due("app", NOW, 10)
    await stores.deliveries.next_due("app")
    await stores.deliveries.postpone(delivery, NOW, NOW, "503")
    await stores.deliveries.receive(replace(token, jti="2", session="session"), NOW, NOW)
    await stores.deliveries.settle(delivery, DeliveryState.CONFIRMED, NOW, "200")
    await stores.deliveries.forget(NOW)
    await stores.logout_records.forget(NOW)
    await stores.accounts.user_id_source(ACCOUNT, "id")
    await stores.issuer_keys.add_first(new_key())
    await stores.issuer_keys.all()
    await stores.failures.save(Failure("r", NOW, Stage.LAUNCH, "x", "", None, None, None))
    await stores.failures.find("r")
    await stores.retention.forget(NOW, 10)
    await stores.meta.instance_id()


async def test_every_statement_goes_by_an_index(tmp_path: Path) -> None:
    """SQLite's own plans have no scan of a table but that of the few issuer keys: nothing in a request grows with installations."""
    path = tmp_path / "broker.sqlite3"
    database = SqliteDatabase(str(path))
    await upgrade(database)
    with statements() as seen:
        await call_everything(stores_on(database))
    await database.close()
    explained = [each for each in seen if re.match("SELECT|UPDATE|DELETE|INSERT", each[0])]
    assert len(explained) > 90
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        plans = [
            (step.detail, statement)
            for statement, parameters in explained
            for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    engine.dispose()
    scans = [
        plan for plan in plans if plan[0].startswith("SCAN") and plan[0] not in ("SCAN CONSTANT ROW", "SCAN issuer_key")
    ]
    assert scans == []


async def test_a_database_file_is_for_its_owner_only(tmp_path: Path) -> None:
    """It holds people's addresses. The directory is made too, and the log of writes has the same mode."""
    path = tmp_path / "data" / "broker.sqlite3"
    database = SqliteDatabase(str(path))
    await upgrade(database)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    await database.close()
    assert modes.keys() >= {"broker.sqlite3", "broker.sqlite3-wal"}
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_every_commit_is_on_disk(tmp_path: Path) -> None:
    """WAL with full synchronization, erased content overwritten, foreign keys held."""
    database = SqliteDatabase(str(tmp_path / "broker.sqlite3"))
    names = ("journal_mode", "synchronous", "secure_delete", "foreign_keys")
    got = await database.write(
        lambda connection: [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]
    )
    await database.close()
    assert got == ["wal", 2, 1, 1]


async def test_a_locked_database_is_unavailable(tmp_path: Path) -> None:
    """Another process that writes for too long: an error that says to try again; afterwards all is well."""
    path = str(tmp_path / "broker.sqlite3")
    holder, waiting = SqliteDatabase(path), SqliteDatabase(path, busy_timeout_s=0.05)
    await upgrade(holder)
    held, let_go = threading.Event(), threading.Event()

    def hold(_connection: Connection) -> None:
        held.set()
        assert let_go.wait(30)

    holding = asyncio.ensure_future(holder.write(hold))
    try:
        assert await asyncio.to_thread(held.wait, 30)
        with pytest.raises(StorageUnavailable, match="locked"):
            await waiting.write(lambda connection: connection.execute(ROW))
    finally:
        let_go.set()
    await holding
    await waiting.write(lambda connection: connection.execute(ROW))
    assert await waiting.read(lambda connection: len(connection.execute(select(schema.meta)).all())) == 1
    await holder.close()
    await waiting.close()


async def test_an_upgrade_waits_longer_than_a_write(tmp_path: Path) -> None:
    """Whoever upgrades at the same time may take longer than a write waits: it is tried again until the file is free."""
    path = str(tmp_path / "broker.sqlite3")
    holder, waiting = SqliteDatabase(path), SqliteDatabase(path, busy_timeout_s=0.01)
    held, let_go = threading.Event(), threading.Event()

    def hold(_connection: Connection) -> None:
        held.set()
        assert let_go.wait(30)

    holding = asyncio.ensure_future(holder.write(hold))
    try:
        assert await asyncio.to_thread(held.wait, 30)
        with pytest.raises(StorageBusy):
            await waiting.write(lambda connection: connection.execute(ROW))
        tries = count_writes(waiting)
        upgrading = asyncio.ensure_future(upgrade(waiting))
        await eventually(lambda: len(tries) > 1 or upgrading.done(), what="it was tried again")
    finally:
        let_go.set()
    await holding
    assert await upgrading
    await holder.close()
    await waiting.close()


def count_writes(database: SqliteDatabase) -> list[None]:
    """Grows by one with each write that is asked for."""
    asked: list[None] = []
    write = database.write

    async def counted(work: Callable[[Connection], Any]) -> Any:
        asked.append(None)
        return await write(work)

    database.write = counted  # type: ignore[method-assign]
    return asked


async def test_a_file_that_can_not_be_made_is_unavailable(tmp_path: Path) -> None:
    """The error names the file."""
    (tmp_path / "file").touch()
    database = SqliteDatabase(str(tmp_path / "file" / "broker.sqlite3"))
    with pytest.raises(StorageUnavailable, match=r"broker\.sqlite3"):
        await upgrade(database)
    await database.close()


async def test_a_file_that_is_no_database_is_not_tried_again(tmp_path: Path) -> None:
    """Trying again can't help."""
    path = tmp_path / "broker.sqlite3"
    path.write_bytes(b"something else entirely " * 100)
    database = SqliteDatabase(str(path))
    with pytest.raises(StorageError) as caught:
        await upgrade(database)
    await database.close()
    assert not isinstance(caught.value, StorageUnavailable)


@pytest.mark.parametrize("url", ["nonsense", "mysql://u:known-password@h/d", "sqlite://", "sqlite:///:memory:"])
def test_a_url_that_can_not_be_used_is_refused(url: str) -> None:
    """At once, without its password."""
    with pytest.raises(StorageError, match="BROKER_DATABASE_URL") as caught:
        open_database(url)
    assert "known-password" not in str(caught.value)


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    """A database with the schema of this version."""
    opened = open_database(f"sqlite:///{tmp_path / 'broker.sqlite3'}")
    assert isinstance(opened, SqliteDatabase)
    await upgrade(opened)
    yield opened
    await opened.close()


async def test_writes_that_wait_are_committed_together_each_all_or_nothing(sqlite: SqliteDatabase) -> None:
    """One of them fails after it has written: that one alone is undone, and hears so."""
    in_the_way, go_on = threading.Event(), threading.Event()

    def hold_up(_connection: Connection) -> None:
        in_the_way.set()
        assert go_on.wait(30)

    def keep(key: str) -> Callable[[Connection], Connection]:
        def work(connection: Connection) -> Connection:
            connection.execute(insert(schema.meta), {"key": key, "value": "kept"})
            if key == "b":
                raise KeyError(key)
            return connection

        return work

    first = asyncio.ensure_future(sqlite.write(hold_up))
    assert await asyncio.to_thread(in_the_way.wait, 30)
    waiting = [asyncio.ensure_future(sqlite.write(keep(key))) for key in "abc"]
    await asyncio.sleep(0)  # they are in the queue now
    go_on.set()
    await first
    a, b, c = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(b, KeyError)
    assert isinstance(a, Connection)
    assert a is c, "one transaction"
    kept = await sqlite.read(lambda connection: connection.execute(select(schema.meta.c.key)).scalars().all())
    assert sorted(kept) == ["a", "c"]


async def test_nothing_that_waits_is_done_for_somebody_who_has_gone_away(sqlite: SqliteDatabase) -> None:
    """A write that was given up before its turn is not carried out."""
    in_the_way, go_on = threading.Event(), threading.Event()

    def hold_up(_connection: Connection) -> None:
        in_the_way.set()
        assert go_on.wait(30)

    first = asyncio.ensure_future(sqlite.write(hold_up))
    assert await asyncio.to_thread(in_the_way.wait, 30)
    row = {"key": "a", "value": "kept"}
    given_up = asyncio.ensure_future(sqlite.write(lambda connection: connection.execute(insert(schema.meta), row)))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    go_on.set()
    await first
    assert await sqlite.read(lambda connection: connection.execute(select(schema.meta.c.key)).all()) == []
