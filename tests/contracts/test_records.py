"""Contracts of `Accounts`, `IssuerKeys`, `Failures` and `Meta`."""

import asyncio
from datetime import timedelta

from joserfc.jwk import ECKey

from broker.model.names import AccountId
from broker.ports import Json
from broker.storage.stores import Stores
from tests.contracts.stores import ACCOUNT, Backend


def new_key() -> Json:
    """A private key, as JWK without `kid`."""
    return dict(ECKey.generate_key("P-256", auto_kid=False).as_dict(private=True))


async def test_the_first_source_of_user_ids_is_kept(stores: Stores) -> None:
    """So that no update of Talkdesk's can rename everybody; each account has its own."""
    assert await stores.accounts.user_id_source(ACCOUNT, "id") == "id"
    assert await stores.accounts.user_id_source(ACCOUNT, "sub") == "id"
    assert await stores.accounts.user_id_source(AccountId("account2"), "sub") == "sub"


async def test_sources_offered_at_once_end_in_one(stores: Stores, other_stores: Stores) -> None:
    """Two first sign-ons of an account at the same instant agree."""
    chosen = await asyncio.gather(
        *(
            each.accounts.user_id_source(ACCOUNT, offered)
            for each, offered in ((stores, "id"), (other_stores, "sub"), (stores, "sub"), (other_stores, "id"))
        )
    )
    assert len(set(chosen)) == 1


async def test_an_issuer_key_comes_back_under_its_thumbprint(stores: Stores) -> None:
    """Whole, with its private part."""
    assert await stores.issuer_keys.all() == []
    key = new_key()
    kept = {**key, "kid": ECKey.import_key(key).thumbprint()}
    assert await stores.issuer_keys.add_first(key) == [kept]
    assert await stores.issuer_keys.all() == [kept]


async def test_a_second_first_key_is_not_kept(stores: Stores) -> None:
    """Who comes later gets the key that is there."""
    kept = await stores.issuer_keys.add_first(new_key())
    assert await stores.issuer_keys.add_first(new_key()) == kept
    assert await stores.issuer_keys.all() == kept


async def test_processes_that_start_together_get_the_same_key(stores: Stores, other_stores: Stores) -> None:
    """Each offers its own; Keycloak must see one."""
    got = await asyncio.gather(*(each.issuer_keys.add_first(new_key()) for each in (stores, other_stores) * 3))
    assert all(keys == got[0] for keys in got)
    assert len(got[0]) == 1


async def test_a_next_key_is_published_first_and_signs_when_its_turn_comes(stores: Stores) -> None:
    """Until then another one is not taken."""
    [first] = await stores.issuer_keys.add_first(new_key())
    assert await stores.issuer_keys.add_next(new_key(), timedelta(hours=1))
    assert not await stores.issuer_keys.add_next(new_key(), timedelta(0))
    signing, waiting = await stores.issuer_keys.all()
    assert signing == first
    assert waiting["kid"] != first["kid"]
    assert await stores.issuer_keys.forget_replaced(timedelta(0)) == 0, "the first one still signs"


async def test_a_replaced_key_goes_when_its_successor_has_signed_for_long(stores: Stores) -> None:
    """Not before."""
    [first] = await stores.issuer_keys.add_first(new_key())
    assert await stores.issuer_keys.add_next(new_key(), timedelta(0))
    second, replaced = await stores.issuer_keys.all()
    assert replaced == first
    assert await stores.issuer_keys.forget_replaced(timedelta(hours=1)) == 0
    assert await stores.issuer_keys.forget_replaced(timedelta(0)) == 1
    assert await stores.issuer_keys.all() == [second]


async def test_of_two_next_keys_at_once_one_is_kept(stores: Stores, other_stores: Stores) -> None:
    """Two operators, or one who was impatient."""
    await stores.issuer_keys.add_first(new_key())
    hour = timedelta(hours=1)
    got = await asyncio.gather(*(each.issuer_keys.add_next(new_key(), hour) for each in (stores, other_stores) * 2))
    assert sorted(got) == [False, False, False, True]
    assert len(await stores.issuer_keys.all()) == 2


async def test_no_private_key_is_on_disk(stores: Stores, backend: Backend) -> None:
    """The thumbprint is, the private part is not."""
    [key] = await stores.issuer_keys.add_first(new_key())
    content = backend.content()
    assert key["kid"].encode() in content
    assert key["d"].encode() not in content


async def test_the_instance_id_is_made_once(stores: Stores, other_stores: Stores) -> None:
    """All processes on one database are one broker."""
    ids = await asyncio.gather(*(each.meta.instance_id() for each in (stores, other_stores) * 5))
    assert len(set(ids)) == 1
    assert len(ids[0]) == 32
