"""Contract of `OneTimeValues`."""

import asyncio

import pytest

from broker.ports import OneTimeKind
from broker.storage.stores import Stores
from tests.contracts.stores import NOW, Backend, at

CODE, STATE = OneTimeKind.CODE, OneTimeKind.TALKDESK
CONTENT = {"verifier": "known-verifier", "list": [1, None], "name": "Ana – ☎"}


async def test_a_value_is_consumed_once(stores: Stores) -> None:
    """The content comes back as it was, and then never again."""
    assert await stores.one_time_values.save(CODE, "v", CONTENT, at(60))
    assert await stores.one_time_values.consume(CODE, "v", NOW) == CONTENT
    assert await stores.one_time_values.consume(CODE, "v", NOW) is None
    assert await stores.one_time_values.find(CODE, "v", NOW) is None


async def test_to_find_a_value_does_not_use_it_up(stores: Stores) -> None:
    """It is there for the next."""
    await stores.one_time_values.save(CODE, "v", CONTENT, at(60))
    assert await stores.one_time_values.find(CODE, "v", NOW) == CONTENT
    assert await stores.one_time_values.consume(CODE, "v", NOW) == CONTENT


async def test_a_used_value_is_recalled_until_it_expires(stores: Stores) -> None:
    """Not before it was used, nor for another purpose, nor afterwards; and it stays used."""
    await stores.one_time_values.save(CODE, "v", CONTENT, at(60))
    assert await stores.one_time_values.recall(CODE, "v", NOW) is None
    await stores.one_time_values.consume(CODE, "v", NOW)
    assert await stores.one_time_values.recall(CODE, "v", NOW) == CONTENT
    assert await stores.one_time_values.recall(STATE, "v", NOW) is None
    assert await stores.one_time_values.recall(CODE, "v", at(60)) is None
    assert await stores.one_time_values.consume(CODE, "v", NOW) is None


async def test_a_value_is_nothing_for_another_purpose(stores: Stores) -> None:
    """And the try does not use it up."""
    await stores.one_time_values.save(CODE, "v", CONTENT, at(60))
    assert await stores.one_time_values.consume(STATE, "v", NOW) is None
    assert await stores.one_time_values.find(STATE, "v", NOW) is None
    assert await stores.one_time_values.save(STATE, "v", {}, at(60))
    assert await stores.one_time_values.consume(CODE, "v", NOW) == CONTENT


@pytest.mark.parametrize(("seconds", "is_usable"), [(59.999, True), (60, False), (61, False)])
async def test_a_value_ends_at_its_time(stores: Stores, seconds: float, is_usable: bool) -> None:
    """To the millisecond."""
    await stores.one_time_values.save(CODE, "v", CONTENT, at(60))
    assert (await stores.one_time_values.find(CODE, "v", at(seconds)) is not None) is is_usable
    assert (await stores.one_time_values.consume(CODE, "v", at(seconds)) is not None) is is_usable


async def test_a_value_that_is_known_is_not_saved_again(stores: Stores) -> None:
    """Neither fresh nor used: an assertion's `jti` counts once, and its content stays the first one."""
    assert await stores.one_time_values.save(CODE, "v", CONTENT, at(60))
    assert not await stores.one_time_values.save(CODE, "v", {}, at(999))
    assert await stores.one_time_values.consume(CODE, "v", NOW) == CONTENT
    assert not await stores.one_time_values.save(CODE, "v", CONTENT, at(60))
    assert await stores.one_time_values.consume(CODE, "v", NOW) is None


async def test_of_several_consumers_at_once_one_gets_it(stores: Stores, other_stores: Stores) -> None:
    """In one process and in several."""
    await stores.one_time_values.save(CODE, "v", CONTENT, at(60))
    got = await asyncio.gather(*(each.one_time_values.consume(CODE, "v", NOW) for each in (stores, other_stores) * 8))
    assert [content for content in got if content is not None] == [CONTENT]


async def test_of_several_that_save_at_once_one_does(stores: Stores, other_stores: Stores) -> None:
    """An assertion that is replayed to two processes is taken by one."""
    saved = await asyncio.gather(
        *(each.one_time_values.save(OneTimeKind.ASSERTION, "v", {}, at(60)) for each in (stores, other_stores) * 8)
    )
    assert sorted(saved) == [False] * 15 + [True]


async def test_what_expired_is_forgotten(stores: Stores) -> None:
    """Used or not; the rest stays."""
    for value, seconds in (("old", 1), ("used", 2), ("fresh", 3)):
        await stores.one_time_values.save(CODE, value, CONTENT, at(seconds))
    await stores.one_time_values.consume(CODE, "used", NOW)
    assert await stores.one_time_values.delete_expired(at(2)) == 2
    assert await stores.one_time_values.delete_expired(at(2)) == 0
    assert await stores.one_time_values.find(CODE, "fresh", at(2)) == CONTENT
    assert await stores.one_time_values.save(CODE, "old", CONTENT, at(60))


async def test_neither_value_nor_content_is_on_disk(stores: Stores, backend: Backend) -> None:
    """Who reads the database can't use what is on its way through a browser."""
    await stores.one_time_values.save(CODE, "known-one-time-value", CONTENT, at(60))
    content = backend.content()
    assert b"code" in content, "the row is there"
    assert b"known-one-time-value" not in content
    assert b"known-verifier" not in content
