"""Contract of `ProviderRecords`: an alias that was used is never used again."""

import asyncio

from broker.model.identity_provider import ProviderRecord, ProviderState
from broker.model.names import AccountId, Alias, InstallationId
from broker.storage.stores import Stores
from tests.contracts.stores import installed, receive

ID = InstallationId("abc")
FIRST, SECOND = Alias("talkdesk-abc"), Alias("talkdesk-abc-2")
RESERVED, LIVE, WITHDRAWN = ProviderState.RESERVED, ProviderState.LIVE, ProviderState.WITHDRAWN


async def test_the_first_generation_is_reserved_once(stores: Stores) -> None:
    """Asked again, it is the same; another installation has its own."""
    assert await stores.provider_records.find_latest(ID) is None
    first = ProviderRecord(ID, 1, FIRST, RESERVED)
    assert await stores.provider_records.reserve(ID) == first
    assert await stores.provider_records.reserve(ID) == first
    assert await stores.provider_records.find_latest(ID) == first
    other = InstallationId("xyz")
    assert await stores.provider_records.reserve(other) == ProviderRecord(other, 1, Alias("talkdesk-xyz"), RESERVED)


async def test_a_live_one_is_kept(stores: Stores) -> None:
    """There is nothing to make anew."""
    await stores.provider_records.reserve(ID)
    await stores.provider_records.mark_live(FIRST)
    assert await stores.provider_records.reserve(ID) == ProviderRecord(ID, 1, FIRST, LIVE)


async def test_after_a_withdrawn_one_comes_the_next(stores: Stores) -> None:
    """With another alias."""
    await stores.provider_records.reserve(ID)
    await stores.provider_records.mark_withdrawn(FIRST)
    assert await stores.provider_records.find_latest(ID) == ProviderRecord(ID, 1, FIRST, WITHDRAWN)
    assert await stores.provider_records.reserve(ID) == ProviderRecord(ID, 2, SECOND, RESERVED)


async def test_the_tenth_generation_follows_the_ninth(stores: Stores) -> None:
    """Generations are numbers, not text."""
    for generation in range(1, 12):
        record = await stores.provider_records.reserve(ID)
        assert record.generation == generation
        await stores.provider_records.mark_withdrawn(record.alias)


async def test_a_withdrawn_one_never_comes_back(stores: Stores) -> None:
    """Neither live nor reserved."""
    await stores.provider_records.reserve(ID)
    await stores.provider_records.mark_withdrawn(FIRST)
    await stores.provider_records.mark_live(FIRST)
    assert await stores.provider_records.find_latest(ID) == ProviderRecord(ID, 1, FIRST, WITHDRAWN)


async def test_used_are_those_that_were_ever_live(stores: Stores) -> None:
    """Oldest first; not one that was withdrawn before it was made, since it may be somebody else's."""
    await stores.provider_records.reserve(ID)
    await stores.provider_records.mark_live(FIRST)
    await stores.provider_records.mark_withdrawn(FIRST)
    await stores.provider_records.reserve(ID)
    await stores.provider_records.mark_withdrawn(SECOND)
    third = await stores.provider_records.reserve(ID)
    first = ProviderRecord(ID, 1, FIRST, WITHDRAWN)
    assert await stores.provider_records.used(ID) == [first]
    await stores.provider_records.mark_live(third.alias)
    assert await stores.provider_records.used(ID) == [first, ProviderRecord(ID, 3, third.alias, LIVE)]


async def test_live_ones_of_an_account_are_those_of_all_its_apps(stores: Stores) -> None:
    """Neither another account's, nor one that is reserved or withdrawn."""
    for name, account in (("abc", "acme"), ("def", "acme"), ("ghi", "acme"), ("xyz", "globex")):
        installation = InstallationId(name)
        await receive(stores, installed(installation=installation, account=AccountId(account)))
        await stores.provider_records.reserve(installation)
    for alias in ("talkdesk-abc", "talkdesk-def", "talkdesk-xyz"):
        await stores.provider_records.mark_live(Alias(alias))
    first = ProviderRecord(ID, 1, FIRST, LIVE)
    second = ProviderRecord(InstallationId("def"), 1, Alias("talkdesk-def"), LIVE)
    assert list(await stores.provider_records.live_of_account(AccountId("acme"))) == [first, second]
    await stores.provider_records.mark_withdrawn(FIRST)
    assert list(await stores.provider_records.live_of_account(AccountId("acme"))) == [second]


async def test_several_that_reserve_at_once_get_the_same(stores: Stores, other_stores: Stores) -> None:
    """Two processes never make two identity providers for one installation."""
    records = await asyncio.gather(*(each.provider_records.reserve(ID) for each in (stores, other_stores) * 5))
    assert set(records) == {ProviderRecord(ID, 1, FIRST, RESERVED)}
