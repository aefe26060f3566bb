"""Contract of `SignOns`."""

import asyncio
from dataclasses import replace

import pytest

from broker.model.names import AccountId, InstallationId, TalkdeskUserId
from broker.model.sign_on import SignOn, SignOnState
from broker.storage.stores import Stores
from tests.contracts.stores import ACCOUNT, USER, at, logged_out, receive, sign_on

OTHER_USER, OTHER_ACCOUNT = TalkdeskUserId("user2"), AccountId("account2")
FORWARD = [SignOnState.CODE_ISSUED, SignOnState.REDEEMED, SignOnState.SEEN, SignOnState.ENDED]


async def save(stores: Stores, *sign_ons: SignOn) -> None:
    """Keep them."""
    for each in sign_ons:
        assert await stores.sign_ons.save(each)


def ids(sign_ons: object) -> list[str]:
    """Ids, in their order."""
    assert isinstance(sign_ons, list)
    return [each.id for each in sign_ons]


async def test_a_sign_on_comes_back(stores: Stores) -> None:
    """All but the person's name, and the address in lower case."""
    kept = sign_on(at(1.5), email="Ana@Acme.Example")
    kept = replace(kept, person=replace(kept.person, name="Ana"))
    assert await stores.sign_ons.save(kept)
    expected = replace(kept, person=replace(kept.person, name=None, email="ana@acme.example"))
    assert await stores.sign_ons.find(kept.id) == expected
    assert await stores.sign_ons.find("unknown") is None


async def test_a_sign_on_goes_forward_only(stores: Stores) -> None:
    """From each state to each later one; never back, never twice."""
    for start, before in enumerate(FORWARD):
        for after in SignOnState:
            kept = sign_on()
            await stores.sign_ons.save(kept)
            await stores.sign_ons.advance(kept.id, before)
            assert await stores.sign_ons.advance(kept.id, after) is (after in FORWARD[start + 1 :])
    assert not await stores.sign_ons.advance("unknown", SignOnState.SEEN)


async def test_one_code_is_redeemed_once(stores: Stores, other_stores: Stores) -> None:
    """Of several that redeem at the same instant one moves the sign-on on."""
    kept = sign_on()
    await save(stores, kept)
    moved = await asyncio.gather(
        *(each.sign_ons.advance(kept.id, SignOnState.REDEEMED) for each in (stores, other_stores) * 5)
    )
    assert sorted(moved) == [False] * 9 + [True]


@pytest.mark.parametrize(("logout_at", "is_kept"), [(-1, True), (-0.001, True), (0, False), (1, False)])
async def test_a_logout_at_or_after_the_begin_refuses_the_sign_on(
    stores: Stores, logout_at: float, is_kept: bool
) -> None:
    """At equal times too: Talkdesk's may be whole seconds."""
    await receive(stores, logged_out(at(logout_at)))
    kept = sign_on(at(0))
    assert await stores.sign_ons.save(kept) is is_kept
    assert (await stores.sign_ons.find(kept.id) is not None) is is_kept


async def test_a_logout_of_somebody_else_refuses_nothing(stores: Stores) -> None:
    """Another user of the account, the same user id in another account, no address on either side."""
    await receive(stores, logged_out(at(1), OTHER_USER))
    assert await stores.sign_ons.save(sign_on(email=None))
    assert await stores.sign_ons.save(sign_on(account=OTHER_ACCOUNT, user=OTHER_USER))


async def test_a_logout_whose_user_fits_nobody_refuses_by_address(stores: Stores) -> None:
    """Without regard to case; but not where the user id is somebody's who happens to have the same address."""
    await receive(stores, logged_out(at(1), TalkdeskUserId("unheard"), "ANA@acme.example"))
    assert not await stores.sign_ons.save(sign_on(email="Ana@Acme.example"))
    assert await stores.sign_ons.save(sign_on(user=OTHER_USER, email="bob@acme.example"))
    await receive(stores, logged_out(at(1), OTHER_USER, "eve@acme.example"))
    assert await stores.sign_ons.save(sign_on(email="eve@acme.example"))


async def test_no_sign_on_slips_past_a_logout(stores: Stores, other_stores: Stores) -> None:
    """Whichever of the two is first, the sign-on is refused, or found by who carries the logout out."""
    for number in range(10):
        user = TalkdeskUserId(f"user-{number}")
        kept = sign_on(user=user)
        is_kept, _ = await asyncio.gather(stores.sign_ons.save(kept), receive(other_stores, logged_out(at(0), user)))
        if is_kept:
            assert ids(await other_stores.sign_ons.of_person(ACCOUNT, user, at(0))) == [kept.id]


async def test_sign_ons_of_a_person_begun_up_to_a_time(stores: Stores) -> None:
    """Oldest first; not later ones, not other people's."""
    third, first, second = sign_on(at(3)), sign_on(at(1)), sign_on(at(2))
    stranger, namesake = sign_on(at(1), user=OTHER_USER), sign_on(at(1), account=OTHER_ACCOUNT)
    await save(stores, third, first, second, stranger, namesake)
    assert ids(await stores.sign_ons.of_person(ACCOUNT, USER, at(2))) == [first.id, second.id]
    assert ids(await stores.sign_ons.of_person(ACCOUNT, USER, at(9))) == [first.id, second.id, third.id]


async def test_ended_sign_ons_stay_until_keycloak_was_told(stores: Stores) -> None:
    """A crash between the two must not lose the session."""
    first, second = sign_on(at(1)), sign_on(at(2))
    await save(stores, first, second)
    await stores.sign_ons.end([first.id, second.id])
    assert ids(await stores.sign_ons.of_person(ACCOUNT, USER, at(9))) == [first.id, second.id]
    await stores.sign_ons.mark_told([first.id])
    assert ids(await stores.sign_ons.of_person(ACCOUNT, USER, at(9))) == [second.id]


async def test_sign_ons_of_an_account(stores: Stores) -> None:
    """Everybody's, by the same rules, and all that came through the one installation, whenever they began."""
    first, second, later = sign_on(at(1), user=OTHER_USER), sign_on(at(2)), sign_on(at(4))
    told, elsewhere = sign_on(at(1)), sign_on(at(1), account=OTHER_ACCOUNT)
    through_another = replace(sign_on(at(5)), installation=InstallationId("another"))
    await save(stores, first, second, later, told, elsewhere, through_another)
    await stores.sign_ons.end([first.id])
    await stores.sign_ons.mark_told([told.id])

    async def found(most: int, through: str) -> list[str]:
        return ids(await stores.sign_ons.of_account(ACCOUNT, at(3), InstallationId(through), most))

    assert await found(10, "nowhere") == [first.id, second.id]
    assert await found(10, "another") == [first.id, second.id, through_another.id]
    assert await found(1, "another") == [first.id]


async def test_nobody_is_ended_by_an_empty_list(stores: Stores) -> None:
    """It is no mistake, and changes nothing."""
    kept = sign_on()
    await save(stores, kept)
    await stores.sign_ons.end([])
    await stores.sign_ons.mark_told([])
    assert ids(await stores.sign_ons.of_person(ACCOUNT, USER, at(9))) == [kept.id]


async def test_more_sign_ons_than_a_statement_takes_are_ended(stores: Stores) -> None:
    """An account may have any number."""
    kept = sign_on()
    await save(stores, kept)
    await stores.sign_ons.end([f"none{number}" for number in range(40_000)] + [kept.id])
    assert not await stores.sign_ons.advance(kept.id, SignOnState.REDEEMED)


async def test_whose_address_it_is(stores: Stores) -> None:
    """The latest sign-on decides, in this account, without regard to case."""
    await save(
        stores,
        sign_on(at(2), user=OTHER_USER, email="Shared@acme.example"),
        sign_on(at(1), email="shared@acme.example"),
        sign_on(at(3), account=OTHER_ACCOUNT, email="shared@acme.example"),
    )
    assert await stores.sign_ons.user_of_email(ACCOUNT, "SHARED@acme.example") == OTHER_USER
    assert await stores.sign_ons.user_of_email(ACCOUNT, "nobody@acme.example") is None


async def test_who_ever_signed_on_is_known(stores: Stores) -> None:
    """For ever, in this account."""
    assert not await stores.sign_ons.is_known(ACCOUNT, USER)
    kept = sign_on()
    await save(stores, kept)
    await stores.sign_ons.end([kept.id])
    assert await stores.sign_ons.is_known(ACCOUNT, USER)
    assert not await stores.sign_ons.is_known(OTHER_ACCOUNT, USER)


async def test_a_newer_sign_on_counts_while_it_lives(stores: Stores) -> None:
    """Strictly newer, not ended, of this person."""
    kept = sign_on(at(2))
    await save(stores, kept)
    assert await stores.sign_ons.has_newer(ACCOUNT, USER, at(1.999))
    assert not await stores.sign_ons.has_newer(ACCOUNT, USER, at(2))
    assert not await stores.sign_ons.has_newer(ACCOUNT, OTHER_USER, at(1))
    await stores.sign_ons.end([kept.id])
    assert not await stores.sign_ons.has_newer(ACCOUNT, USER, at(1))
