"""PostgreSQL's own ways: what must not run side by side, plans, errors, a server that goes away and comes back.

A statement is held back where a race would be lost: the other side then goes as far as it is let, so each of these tests fails without
the lock that it is about.
"""

import asyncio
import re
import threading
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, Engine, create_engine, event, insert, make_url, select, text, update

from broker.errors import StorageError, StorageUnavailable
from broker.model.facts import LicencesChanged
from broker.model.names import InstallationId, TalkdeskUserId
from broker.model.task import Task, TaskKind
from broker.storage import schema
from broker.storage.database import Database, open_database
from broker.storage.dialects import insert_new, number_of
from broker.storage.postgresql import CONNECTIONS
from broker.storage.stores import Stores
from tests.contracts.stores import (
    ACCOUNT,
    APP,
    INSTALLATION,
    USER,
    PostgresqlBackend,
    at,
    installed,
    logged_out,
    receive,
    sign_on,
    stores_on,
)
from tests.contracts.test_sqlite import call_everything, statements
from tests.postgresql_server import PostgresqlServer, plain
from tests.waiting import eventually

pytestmark = pytest.mark.postgresql

ROW = insert(schema.meta).values(key="k", value="known-value")
MINUTE = timedelta(minutes=1)


@pytest.fixture
def backend(postgresql: PostgresqlServer) -> Iterator[PostgresqlBackend]:
    """PostgreSQL only."""
    made = PostgresqlBackend(postgresql)
    yield made
    made.drop()


@pytest.fixture
async def others(backend: PostgresqlBackend, stores: Stores) -> AsyncIterator[Stores]:
    """The stores of a second process."""
    opened = backend.open()
    yield stores_on(opened)
    await opened.close()


class HeldBack:
    """The first statement that begins like this waits until it is let go."""

    def __init__(self, beginning: str) -> None:
        self._beginning = beginning
        self.arrived, self._go_on = threading.Event(), threading.Event()

    def __call__(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(self._beginning) and not self.arrived.is_set():
            self.arrived.set()
            assert self._go_on.wait(30)

    async def until_it_arrives(self) -> None:
        """The statement is about to run; all before it in its transaction has."""
        assert await asyncio.to_thread(self.arrived.wait, 30)

    def let_go(self) -> None:
        """Let it run."""
        self._go_on.set()


@contextmanager
def held_back(beginning: str) -> Iterator[HeldBack]:
    """Hold a statement back, on whatever connection."""
    held = HeldBack(beginning)
    event.listen(Engine, "before_cursor_execute", held)
    try:
        yield held
    finally:
        held.let_go()
        event.remove(Engine, "before_cursor_execute", held)


@contextmanager
def taken(backend: PostgresqlBackend, key: str) -> Iterator[None]:
    """Meanwhile the task's row is held by somebody whose transaction is under way."""
    with psycopg.connect(plain(backend.url)) as connection:
        connection.execute("SELECT 1 FROM task WHERE key = %s FOR UPDATE", (key,))
        yield


async def done_or_waiting(backend: PostgresqlBackend, running: "asyncio.Future[Any]") -> None:
    """Until it has ended, or waits for somebody's lock."""

    def holds() -> bool:
        return running.done() or bool(asked(backend, "SELECT 1 FROM pg_locks WHERE NOT granted"))

    await eventually(holds, what="it ended, or waits for a lock")


def asked(backend: PostgresqlBackend, query: str) -> list[Any]:
    """Rows of a query on a connection of its own."""
    with psycopg.connect(plain(backend.url)) as connection:
        return connection.execute(query.encode()).fetchall()


@pytest.mark.parametrize(
    ("user", "email"), [(USER, None), (TalkdeskUserId("unheard"), "Ana@acme.example")], ids=["by user", "by address"]
)
async def test_a_logout_waits_for_a_sign_on_that_is_being_kept(
    backend: PostgresqlBackend, stores: Stores, others: Stores, user: TalkdeskUserId, email: str | None
) -> None:
    """Once the logout is taken in, whoever carries it out finds the sign-on that had looked for logouts just before."""
    kept = sign_on(at(0))
    with held_back("INSERT INTO sign_on") as held:
        saving = asyncio.ensure_future(stores.sign_ons.save(kept))
        await held.until_it_arrives()
        receiving = asyncio.ensure_future(receive(others, logged_out(at(1), user, email)))
        await done_or_waiting(backend, receiving)
        was_there_first = not receiving.done()
        held.let_go()
        assert await saving
        await receiving
    assert was_there_first
    assert await others.sign_ons.is_known(ACCOUNT, USER)


async def test_a_removal_waits_for_a_sign_on_that_is_being_kept(
    backend: PostgresqlBackend, stores: Stores, others: Stores
) -> None:
    """Whose licence goes is signed out of what they had just begun, too."""
    await receive(stores, installed())
    kept = sign_on(at(0))
    with held_back("INSERT INTO sign_on") as held:
        saving = asyncio.ensure_future(stores.sign_ons.save(kept))
        await held.until_it_arrives()
        removal = LicencesChanged(INSTALLATION, APP, ACCOUNT, frozenset(), frozenset({USER}), at(1))
        receiving = asyncio.ensure_future(receive(others, removal))
        await done_or_waiting(backend, receiving)
        was_there_first = not receiving.done()
        held.let_go()
        assert await saving
        await receiving
    assert was_there_first


async def test_a_sign_on_waits_for_a_logout_that_is_being_kept(
    backend: PostgresqlBackend, stores: Stores, others: Stores
) -> None:
    """It looks for logouts afterwards, finds this one, and is refused."""
    with held_back("INSERT INTO user_logout") as held:
        receiving = asyncio.ensure_future(receive(stores, logged_out(at(1))))
        await held.until_it_arrives()
        saving = asyncio.ensure_future(others.sign_ons.save(sign_on(at(0))))
        await done_or_waiting(backend, saving)
        held.let_go()
        await receiving
    assert not await saving


async def test_another_person_waits_for_nobody(stores: Stores, others: Stores) -> None:
    """Only the same user, or the same address, is in the way."""
    with held_back("INSERT INTO sign_on") as held:
        saving = asyncio.ensure_future(stores.sign_ons.save(sign_on(at(0))))
        await held.until_it_arrives()
        async with asyncio.timeout(30):
            await receive(others, logged_out(at(1), TalkdeskUserId("user2"), "bob@acme.example"))
        held.let_go()
        assert await saving


async def test_one_generation_is_reserved_by_all(backend: PostgresqlBackend, stores: Stores, others: Stores) -> None:
    """Two that reserve at the same instant get the same alias, and none an error."""
    with held_back("INSERT INTO identity_provider") as held:
        first = asyncio.ensure_future(stores.provider_records.reserve(INSTALLATION))
        await held.until_it_arrives()
        second = asyncio.ensure_future(others.provider_records.reserve(INSTALLATION))
        await done_or_waiting(backend, second)
        held.let_go()
        assert await first == await second


async def test_a_claim_passes_over_what_another_is_claiming(backend: PostgresqlBackend, stores: Stores) -> None:
    """It takes the rest, and does not wait."""
    for key in "ab":
        await stores.tasks.enqueue(Task(TaskKind.CONVERGE, key))
    with taken(backend, "a"):
        async with asyncio.timeout(30):
            [claim] = await stores.tasks.claim("me", {TaskKind.CONVERGE: 9}, MINUTE)
        assert claim.task.key == "b"
    [claim] = await stores.tasks.claim("me", {TaskKind.CONVERGE: 9}, MINUTE)
    assert claim.task.key == "a"


async def test_a_claim_does_not_wait_for_a_lease_that_ran_out(backend: PostgresqlBackend, stores: Stores) -> None:
    """Another one is claiming it: there is nothing to do, and other tasks are due."""
    await stores.tasks.enqueue(Task(TaskKind.CONVERGE, "late"))
    await stores.tasks.claim("dead", {TaskKind.CONVERGE: 1}, timedelta(0))
    await stores.tasks.enqueue(Task(TaskKind.CONVERGE, "due"))
    with taken(backend, "late"):
        async with asyncio.timeout(30):
            [claim] = await stores.tasks.claim("me", {TaskKind.CONVERGE: 9}, MINUTE)
        assert claim.task.key == "due"
    [claim] = await stores.tasks.claim("me", {TaskKind.CONVERGE: 9}, MINUTE)
    assert claim.task.key == "late"


async def test_two_that_claim_at_once_share_what_is_due(stores: Stores, others: Stores) -> None:
    """Nothing is claimed twice, and nothing is left."""
    keys = [f"{number:03d}" for number in range(60)]
    await stores.tasks.enqueue_all(TaskKind.CONVERGE, keys)

    async def claimed(by: Stores, name: str) -> list[str]:
        claims = [await by.tasks.claim(name, {TaskKind.CONVERGE: 3}, MINUTE) for _ in range(10)]
        return [claim.task.key for some in claims for claim in some]

    mine, theirs = await asyncio.gather(claimed(stores, "me"), claimed(others, "other"))
    rest = [claim.task.key for claim in await stores.tasks.claim("me", {TaskKind.CONVERGE: 60}, MINUTE)]
    assert sorted(mine + theirs + rest) == keys


@pytest.mark.usefixtures("stores")
async def test_first_facts_of_an_installation_may_come_at_once(backend: PostgresqlBackend) -> None:
    """Two unique columns, of which the insert may meet the other's row in the second: without the mend about one round in twelve fails."""
    engine = create_engine(make_url(backend.url).set(drivername="postgresql+psycopg"), pool_size=8)
    together, inserted = threading.Barrier(8), []

    def insert_all() -> None:
        for number in range(150):
            row = {"id": f"i{number}", "slug": f"s{number}", "app_id": "app", "account_id": "account"}
            together.wait(30)
            with engine.begin() as connection:
                if insert_new(connection, schema.installation, None, row):
                    inserted.append(number)

    with ThreadPoolExecutor(8) as threads:
        running = asyncio.get_running_loop().run_in_executor
        await asyncio.gather(*(running(threads, insert_all) for _ in range(8)))
    engine.dispose()
    assert sorted(inserted) == list(range(150))


async def test_transactions_that_wait_for_each_other_both_succeed(database: Database) -> None:
    """PostgreSQL undoes one of the two; it is run again, and may then be quick enough to get in the other's way once more."""
    both = threading.Barrier(2)
    runs = []

    def work_in(order: str) -> Any:
        def work(connection: Connection) -> None:
            runs.append(order)
            change_value(connection, order[0])
            if runs.count(order) == 1:
                both.wait(30)
            change_value(connection, order[1])

        return work

    await database.write(lambda connection: connection.execute(insert(schema.meta), [meta_row("a"), meta_row("b")]))
    await asyncio.gather(database.write(work_in("ab")), database.write(work_in("ba")))
    rows = await database.read(lambda connection: connection.execute(select(schema.meta.c.value)).scalars().all())
    assert list(rows) == ["2", "2"]
    assert len(runs) > 2, "one of them was undone"


def meta_row(key: str) -> dict[str, str]:
    """A row that counts from nought."""
    return {"key": key, "value": "0"}


def change_value(connection: Connection, key: str) -> None:
    """Count a row up."""
    counted = text("CAST(CAST(value AS integer) + 1 AS text)")
    connection.execute(update(schema.meta).where(schema.meta.c.key == key).values(value=counted))


async def test_a_restart_of_the_server_is_survived(
    postgresql: PostgresqlServer, backend: PostgresqlBackend, database: Database
) -> None:
    """Every connection of the pool dies; the next request of each finds a new one, and what was kept."""
    await database.write(lambda connection: connection.execute(ROW))
    await asyncio.gather(*(database.read(slow_count) for _ in range(CONNECTIONS)))
    await asyncio.to_thread(postgresql.restart)
    assert await asyncio.gather(*(database.read(slow_count) for _ in range(CONNECTIONS))) == [1] * CONNECTIONS


def slow_count(connection: Connection) -> int:
    """Rows of `meta`, slowly enough that another thread is needed for the next request."""
    connection.execute(text("SELECT pg_sleep(0.05)"))
    return len(connection.execute(select(schema.meta)).all())


async def test_work_that_is_cut_off_once_is_done_again(backend: PostgresqlBackend, database: Database) -> None:
    """The server ends the session in the middle of a transaction, before a commit was asked for: it is kept once."""
    runs = 0

    def work(connection: Connection) -> None:
        nonlocal runs
        runs += 1
        connection.execute(ROW)
        if runs == 1:
            cut_off(backend, connection)

    await database.write(work)
    assert (runs, await database.read(slow_count)) == (2, 1)


async def test_a_commit_that_got_no_answer_is_not_done_again(backend: PostgresqlBackend, database: Database) -> None:
    """Nobody knows whether it is kept, so whoever asked has to decide."""
    runs = 0

    def work(connection: Connection) -> None:
        nonlocal runs
        runs += 1
        own = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        asked(backend, f"SELECT pg_terminate_backend({own}, 5000)")

    with pytest.raises(StorageUnavailable):
        await database.write(work)
    assert runs == 1


async def test_work_that_is_always_cut_off_is_to_be_tried_again(backend: PostgresqlBackend, database: Database) -> None:
    """Unavailable in the end, and nothing of it is kept."""

    def work(connection: Connection) -> None:
        connection.execute(ROW)
        cut_off(backend, connection)

    with pytest.raises(StorageUnavailable) as caught:
        await database.write(work)
    assert "known-value" not in str(caught.value)
    assert await database.read(slow_count) == 0


def cut_off(backend: PostgresqlBackend, connection: Connection) -> None:
    """End this connection's session at the server, and find it out."""
    own = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    asked(backend, f"SELECT pg_terminate_backend({own})")
    connection.execute(text("SELECT pg_sleep(30)"))


async def test_who_is_frozen_within_a_transaction_holds_others_up_no_longer_than_the_limit(
    backend: PostgresqlBackend, stores: Stores
) -> None:
    """The server gives its locks away; what the frozen one had done is undone, and done again when it thaws."""
    url = backend.url.update_query_dict({"options": "-c idle_in_transaction_session_timeout=200ms"})
    frozen = open_database(url.render_as_string(hide_password=False))
    with held_back("INSERT INTO identity_provider") as held:
        reserving = asyncio.ensure_future(stores_on(frozen).provider_records.reserve(INSTALLATION))
        await held.until_it_arrives()
        async with asyncio.timeout(30):
            reserved = await stores.provider_records.reserve(INSTALLATION)
        held.let_go()
        assert await reserving == reserved
    assert await stores.provider_records.find_latest(INSTALLATION) == reserved
    await frozen.close()


async def test_time_limits_are_set_on_every_connection(database: Database) -> None:
    """Whatever the server's defaults are."""
    names = ("idle_in_transaction_session_timeout", "lock_timeout", "statement_timeout")
    shown = await database.read(lambda connection: [connection.scalar(text(f"SHOW {name}")) for name in names])
    assert shown == ["10s", "10s", "30s"]


@pytest.mark.parametrize(
    ("code", "again"),
    [
        ("53100", True),
        ("53300", True),
        ("57P03", True),
        ("55P03", True),
        ("25006", True),
        ("22001", False),
        ("XX000", False),
    ],
)
async def test_errors_of_the_server_say_whether_to_try_again(database: Database, code: str, again: bool) -> None:
    """Disk full, too many connections, starting, lock not got, read-only; but not data that does not fit. No error quotes the server's words."""

    def work(connection: Connection) -> None:
        connection.exec_driver_sql(f"DO $$ BEGIN RAISE EXCEPTION 'known-value' USING ERRCODE = '{code}'; END $$")

    with pytest.raises(StorageError, match=code) as caught:
        await database.write(work)
    assert isinstance(caught.value, StorageUnavailable) is again
    assert "known-value" not in str(caught.value)
    assert caught.value.__suppress_context__


async def test_a_server_that_became_read_only_is_unavailable(backend: PostgresqlBackend, database: Database) -> None:
    """A standby, or one that an operator closed: writes are tried again, reads go on."""
    url = backend.url.update_query_dict({"options": "-c default_transaction_read_only=on"})
    closed = open_database(url.render_as_string(hide_password=False))
    with pytest.raises(StorageUnavailable, match="25006"):
        await closed.write(lambda connection: connection.execute(ROW))
    assert await closed.read(slow_count) == 0
    await closed.close()


async def test_a_server_that_is_not_there_is_unavailable(backend: PostgresqlBackend) -> None:
    """The error names the address, not the password."""
    url = make_url("postgresql+psycopg://u:known-password@127.0.0.1:1/d")
    nowhere = open_database(url.render_as_string(hide_password=False))
    with pytest.raises(StorageUnavailable, match=r"127\.0\.0\.1:1") as caught:
        await nowhere.read(slow_count)
    await nowhere.close()
    assert "known-password" not in str(caught.value)


async def test_more_requests_than_connections_wait_their_turn(backend: PostgresqlBackend, database: Database) -> None:
    """None fails, and the server never sees more than the pool's."""
    most = 0

    async def ask() -> None:
        nonlocal most
        await database.read(slow_count)
        ours = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'broker'"
        )
        [(count,)] = await asyncio.to_thread(asked, backend, ours)
        most = max(most, count)

    await asyncio.gather(*(ask() for _ in range(CONNECTIONS * 3)))
    assert 1 < most <= CONNECTIONS


async def test_every_statement_goes_by_an_index(backend: PostgresqlBackend, stores: Stores) -> None:
    """Where PostgreSQL may choose, it could do without a scan of any table but that of the few issuer keys."""
    with statements() as seen:
        await call_everything(stores)
    explained = [each for each in seen if re.match("SELECT|UPDATE|DELETE|INSERT", each[0])]
    assert len(explained) > 60
    database = backend.open()

    def plans(connection: Connection) -> list[str]:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        return [
            f"{row[0]} of {statement}"
            for statement, parameters in explained
            for row in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
        ]

    shown = await database.write(plans)
    await database.close()
    assert any("Index" in step for step in shown)
    scans = [step for step in shown if "Seq Scan" in step and "Seq Scan on issuer_key" not in step]
    assert scans == []


def test_installations_have_locks_of_their_own() -> None:
    """Names in locks are told apart, whatever is in them."""
    names = [("a", "b"), ("a", "b", ""), ("ab",), ("a", 'b"'), ("identity provider", InstallationId("b"))]
    assert len({number_of(name) for name in names}) == len(names)
