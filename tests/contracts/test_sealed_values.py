"""Sealing keys come and go while everything stays readable: which are in use, sealing anew, what is refused."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing
from typing import TypeVar

import pytest
from alembic import command
from sqlalchemy import Connection, insert, select, text

from broker.errors import SealError, StorageError
from broker.model.names import InstallationId
from broker.ports import OneTimeKind
from broker.storage import schema
from broker.storage.database import Database, upgrade
from broker.storage.migrating import config
from broker.storage.sealed_values import BATCH, SEALED, SealedValues, is_anything_sealed
from broker.storage.sealing import Sealer, place_of
from broker.storage.stores import Stores, open_stores
from tests.contracts.stores import (
    INSTALLATION,
    NOW,
    SECRET,
    Backend,
    at,
    event_of,
    installed,
    receive,
    uninstalled,
)
from tests.contracts.test_records import new_key

pytestmark = pytest.mark.thorough

T = TypeVar("T")

OLD, NEW, OTHER = bytes(32), bytes([1] * 32), bytes([2] * 32)
BEFORE = Sealer({"old": OLD}, "old")
BETWEEN = Sealer({"new": NEW, "old": OLD}, "new")
AFTER = Sealer({"new": NEW}, "new")


def stores_with(database: Database, sealer: Sealer) -> Stores:
    """All stores, with these keys."""
    return open_stores(database, sealer, lambda: NOW)


async def fill(stores: Stores, one_time: int = 1) -> None:
    """A value of each kind, and so many one-time values."""
    await receive(stores, installed())
    await stores.issuer_keys.add_first(new_key())
    for number in range(one_time):
        await stores.one_time_values.save(OneTimeKind.CODE, f"value{number}", {"number": number}, at(60))


async def uses(database: Database, sealer: Sealer = BETWEEN) -> Mapping[tuple[str, str], int]:
    """How many values each key seals, by key and kind of value."""
    return {(use.key, use.what): use.values for use in await SealedValues(database, sealer).uses()}


async def rotate(database: Database, sealer: Sealer = BETWEEN) -> int:
    """To the end; how many values were sealed anew."""
    return sum([count async for count in SealedValues(database, sealer).rotate()])


class Interposed:
    """A database in which something happens before each writing."""

    def __init__(self, inner: Database, before_writing: Callable[[Connection], object]) -> None:
        """The work gets the connection of a transaction of its own."""
        self._inner = inner
        self._before_writing = before_writing

    @property
    def upgrades_at_start(self) -> bool:
        """As the inner one."""
        return self._inner.upgrades_at_start

    async def read(self, work: Callable[[Connection], T]) -> T:
        """As the inner one."""
        return await self._inner.read(work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Let it happen, then as the inner one."""
        await self._inner.write(self._before_writing)
        return await self._inner.write(work)

    async def close(self) -> None:
        """As the inner one."""
        await self._inner.close()


async def test_every_sealed_column_is_known(database: Database) -> None:
    """A column of bytes that rotation did not know would become unreadable with the next key."""
    binary = {
        (table.name, column.name)
        for table in schema.metadata.sorted_tables
        for column in table.columns
        if column.type.python_type is bytes
    }
    assert binary == {(column.table.name, column.name) for column in SEALED}


async def test_rotation_seals_everything_anew(database: Database) -> None:
    """Values of every kind open with the new key alone, and no bytes of the old key are left."""
    await fill(stores_with(database, BEFORE), one_time=3)
    assert set(await uses(database)) == {("old", column.what) for column in SEALED}
    assert await rotate(database) == 6
    assert await uses(database) == {("new", column.what): 3 if column.name == "content" else 1 for column in SEALED}
    after = stores_with(database, AFTER)
    found = await after.installations.find(INSTALLATION)
    assert found is not None
    assert found.credentials is not None
    assert found.credentials.client_secret.get_secret_value() == SECRET
    assert SECRET.encode() in (await after.events.get_whole("1")).body
    assert len(await after.issuer_keys.all()) == 1
    assert await after.one_time_values.consume(OneTimeKind.CODE, "value2", NOW) == {"number": 2}
    assert await rotate(database) == 0, "a second time there is nothing left"


async def test_an_interrupted_rotation_goes_on_where_it_was(database: Database) -> None:
    """What was done stays done: all steps together are as many as one run would have taken."""
    await fill(stores_with(database, BEFORE), one_time=3 * BATCH)
    everything = 3 + 3 * BATCH
    async with aclosing(SealedValues(database, BETWEEN).rotate()) as steps:
        done = [await anext(steps) for _ in range(3)]
    assert 0 < sum(done) < everything
    await stores_with(database, BETWEEN).installations.find(INSTALLATION)  # with both keys all opens in the middle
    assert await rotate(database) == everything - sum(done)
    assert {key for key, _ in await uses(database)} == {"new"}


async def test_two_that_rotate_at_once_share_the_work(backend: Backend, database: Database) -> None:
    """No value is counted twice, and none is left."""
    await fill(stores_with(database, BEFORE), one_time=2 * BATCH)
    other = backend.open()
    assert sum(await asyncio.gather(rotate(database), rotate(other))) == 3 + 2 * BATCH
    assert {key for key, _ in await uses(database)} == {"new"}
    await other.close()


async def test_rotation_runs_beside_a_service_that_writes(backend: Backend, database: Database) -> None:
    """A service that was not told of the new key goes on sealing with the old one; it is followed until nothing is left."""
    await fill(stores_with(database, BEFORE), one_time=2 * BATCH)
    other = backend.open()
    service = stores_with(other, Sealer({"old": OLD, "new": NEW}, "old"))
    used = []

    async def serve() -> None:
        for number in range(60):
            await receive(service, installed(installation=InstallationId(f"other{number}")))
            used.append(await service.one_time_values.consume(OneTimeKind.CODE, f"value{number * 3}", NOW))

    serving = asyncio.ensure_future(serve())
    rounds = [await rotate(database)]
    await serving
    rounds.append(await rotate(database))
    assert used == [{"number": number * 3} for number in range(60)], "each is readable, once, before and after"
    assert sum(rounds) == 3 + 2 * BATCH + 60 * 2
    after = stores_with(database, AFTER)
    for number in range(60):
        found = await after.installations.find(InstallationId(f"other{number}"))
        assert found is not None
        assert found.credentials is not None
    assert {key for key, _ in await uses(database)} == {"new"}
    await other.close()


async def test_what_is_erased_meanwhile_does_not_come_back(database: Database) -> None:
    """Read before it was erased and written after: the erasure wins."""
    await fill(stores_with(database, BEFORE))
    erase = (text("UPDATE event SET body = NULL"), text("UPDATE fact SET credentials = NULL"))
    erasing = Interposed(database, lambda connection: [connection.execute(each) for each in erase])
    assert await rotate(erasing) == 2, "the one-time value and the issuer key"
    query = select(schema.event.c.body, schema.fact.c.credentials).join(schema.fact)
    assert tuple(await database.read(lambda connection: connection.execute(query).one())) == (None, None)


async def test_what_is_used_meanwhile_stays_used(database: Database) -> None:
    """A one-time value that was consumed while it was sealed anew is not usable again."""
    await fill(stores_with(database, BEFORE))
    await stores_with(database, BETWEEN).one_time_values.consume(OneTimeKind.CODE, "value0", NOW)
    await rotate(database)
    assert await stores_with(database, AFTER).one_time_values.consume(OneTimeKind.CODE, "value0", NOW) is None


async def test_keys_that_open_everything_are_taken(database: Database) -> None:
    """None is in use in an empty database; afterwards those that are."""
    assert not await is_anything_sealed(database)
    await SealedValues(database, AFTER).require_keys()
    await fill(stores_with(database, BEFORE))
    assert await is_anything_sealed(database)
    for sealer in (BEFORE, BETWEEN):
        await SealedValues(database, sealer).require_keys()


@pytest.mark.parametrize(
    ("sealer", "said"),
    [
        (AFTER, "is sealed with key 'old', which is not among the sealing keys"),
        (Sealer({"old": OTHER}, "old"), "is sealed with another key of the id 'old'"),
    ],
    ids=["missing", "wrong"],
)
async def test_a_key_in_use_can_not_be_dropped_or_changed(database: Database, sealer: Sealer, said: str) -> None:
    """One line says which; nothing is changed by whoever tries to rotate without it."""
    await fill(stores_with(database, BEFORE))
    with pytest.raises(SealError) as refused:
        await SealedValues(database, sealer).require_keys()
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert len(await SealedValues(database, sealer).problems()) == 1, "once, not for each kind of value"
    if sealer is AFTER:
        with pytest.raises(SealError):
            await rotate(database, sealer)
    assert {key for key, _ in await uses(database)} == {"old"}


async def test_a_single_value_of_an_old_key_holds_the_key(database: Database) -> None:
    """However many others are sealed with the new one; once it is erased the key may go."""
    await receive(stores_with(database, BEFORE), installed(at(1)))
    between = stores_with(database, BETWEEN)
    await fill(between, one_time=20)
    await receive(between, uninstalled(at(2)))
    with pytest.raises(SealError):
        await SealedValues(database, AFTER).require_keys()
    await between.installations.erase_credentials(INSTALLATION, at(2))
    await SealedValues(database, AFTER).require_keys()


async def test_a_value_that_was_tampered_with_stops_the_rotation(database: Database) -> None:
    """It is not sealed as if it were good; the error says which place."""
    await fill(stores_with(database, BEFORE))
    swap = text("UPDATE fact SET credentials = (SELECT body FROM event WHERE number = fact.event)")
    await database.write(lambda connection: connection.execute(swap))
    with pytest.raises(SealError, match='"fact", "credentials"'):
        await rotate(database)


@pytest.mark.parametrize("key_id", ["a", "A-Z.a_z-9", "x" * 32])
async def test_the_database_reads_the_id_of_a_key(database: Database, key_id: str) -> None:
    """Whatever an id may be, as it is."""
    await fill(stores_with(database, Sealer({key_id: OTHER}, key_id)))
    assert {key for key, _ in await uses(database)} == {key_id}


async def test_nobody_else_writes_the_id_of_a_key(database: Database) -> None:
    """It could be wrong."""
    row = {"position": 1, "kid": "k", "jwk": BEFORE.seal(b"{}", place="p"), "jwk_key": "another"}
    with pytest.raises(StorageError):
        await database.write(lambda connection: connection.execute(insert(schema.issuer_key).values(row)))


async def test_an_upgrade_finds_the_keys_of_what_is_there(backend: Backend) -> None:
    """Values of a version that did not note their keys."""
    database = backend.open()
    await database.write(lambda connection: command.upgrade(config(connection), "0002"))
    sealed = BEFORE.seal(b"{}", place=place_of("issuer_key", "jwk", "k"))
    add = text("INSERT INTO issuer_key (position, kid, jwk) VALUES (1, 'k', :jwk)")
    await database.write(lambda connection: connection.execute(add, {"jwk": sealed}))
    await upgrade(database)
    assert await uses(database) == {("old", "issuer keys"): 1}
    assert await rotate(database) == 1
    assert await stores_with(database, AFTER).issuer_keys.all() == [{}]
    await database.close()


async def test_a_replayed_event_is_sealed_with_the_first_key(database: Database) -> None:
    """Its body is kept anew, and the id beside it says so."""
    before, between = stores_with(database, BEFORE), stores_with(database, BETWEEN)
    event = event_of(installed())
    kept = Sealer.seal(BEFORE, b"x", place="p")
    await before.events.receive(event, [], [])
    unread = text("UPDATE event SET state = 'unknown', body = :body")
    await database.write(lambda connection: connection.execute(unread, {"body": kept}))
    await between.events.replay("1", event, [installed()], [])
    assert await uses(database) == {("new", "bodies of events"): 1, ("new", "credentials"): 1}
