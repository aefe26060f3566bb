"""Contract of `SignOns`."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from broker.listing import SignOnFilter, SignOnRow
from broker.model.names import AccountId, InstallationId, TalkdeskUserId
from broker.model.sign_on import SignOn, SignOnState
from broker.storage.database import Database
from broker.storage.sql_logout_lists import SqlSignOnList
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
            moved = await stores.sign_ons.advance(kept.id, after)
            assert moved == (await stores.sign_ons.find(kept.id) if after in FORWARD[start + 1 :] else None)
            assert moved is None or moved.state is after
    assert not await stores.sign_ons.advance("unknown", SignOnState.SEEN)


async def test_one_code_is_redeemed_once(stores: Stores, other_stores: Stores) -> None:
    """Of several that redeem at the same instant one moves the sign-on on."""
    kept = sign_on()
    await save(stores, kept)
    moved = await asyncio.gather(
        *(each.sign_ons.advance(kept.id, SignOnState.REDEEMED) for each in (stores, other_stores) * 5)
    )
    assert [each.id for each in moved if each] == [kept.id]


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


async def test_sign_ons_of_an_account_page_by_page(stores: Stores) -> None:
    """Also where many began at the same time: none is left out, none comes twice."""
    kept = [sign_on(at(number // 3)) for number in range(10)]
    await save(stores, *kept)
    found: list[SignOn] = []
    while some := await stores.sign_ons.of_account(
        ACCOUNT, at(99), InstallationId("x"), 2, found[-1] if found else None
    ):
        found += some
    assert sorted(each.id for each in found) == sorted(each.id for each in kept)
    assert len(found) == 10


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


async def row_of(database: Database, kept: SignOn) -> SignOnRow:
    """What an operator sees of it."""
    page = await SqlSignOnList(database).page(SignOnFilter(), 100)
    return next(row for row in page.rows if row.sign_on == kept.id)


async def test_what_ended_a_sign_on_first_is_on_record(stores: Stores, database: Database) -> None:
    """The next launch has no number; a logout that finds it ended changes nothing; Keycloak's last answer counts."""
    first, second = sign_on(), sign_on()
    await save(stores, first, second)
    await stores.sign_ons.end([first.id], 7)
    await stores.sign_ons.end([second.id])
    await stores.sign_ons.end([first.id, second.id], 8)
    await stores.sign_ons.note_answer([first.id], 500)
    await stores.sign_ons.note_answer([first.id], 200)
    ended, replaced = await row_of(database, first), await row_of(database, second)
    assert (ended.logout, ended.told_status, ended.state) == (7, 200, "ended")
    assert ended.ended_at is not None
    assert ended.told_at is not None
    assert (replaced.logout, replaced.told_status, replaced.told_at) == (None, None, None)
    assert replaced.ended_at is not None


async def test_old_sign_ons_end_by_themselves(stores: Stores, database: Database) -> None:
    """Nobody has to be told of them; whoever signed on stays known."""
    old, recent = replace(sign_on(), created_at=at(-100)), sign_on()
    await save(stores, old, recent)
    assert await stores.sign_ons.end_old(at(-50)) == 1
    assert ids(await stores.sign_ons.of_person(ACCOUNT, USER, at(9))) == [recent.id]
    assert not await stores.sign_ons.advance(old.id, SignOnState.REDEEMED)
    assert (await row_of(database, old)).state == "ended"
    assert (await row_of(database, recent)).state == "code issued"
    assert await stores.sign_ons.is_known(ACCOUNT, USER)
    assert await stores.sign_ons.end_old(at(-50)) == 0


async def test_one_sign_out_at_a_time_tells_keycloak(stores: Stores, other_stores: Stores) -> None:
    """Of several at the same instant one gets each sign-on, until Keycloak has answered, or the time is over."""
    first, second = sign_on(), sign_on()
    await save(stores, first, second)
    minute = timedelta(minutes=1)
    both = [first.id, second.id]
    taken = await asyncio.gather(*(each.sign_ons.take(both, 7, minute) for each in (stores, other_stores) * 3))
    assert sorted(id_ for ids_ in taken for id_ in ids_) == sorted(both)
    assert not await stores.sign_ons.advance(first.id, SignOnState.REDEEMED), "ended as well"
    await stores.sign_ons.note_answer([first.id], 200)
    await stores.sign_ons.note_answer([second.id], None)
    assert sorted(await other_stores.sign_ons.take(both, 8, timedelta(0))) == sorted(both)
    assert sorted(await stores.sign_ons.take(both, 9, minute)) == sorted(both), "whoever took them did not come back"


async def test_a_person_in_one_foreign_session_is_kept_once(stores: Stores) -> None:
    """Seen there again, only the begin moves on; once that has ended, and for somebody else, it is another one."""

    def seen(begun_at: datetime, user: TalkdeskUserId = USER) -> SignOn:
        return replace(sign_on(begun_at, user), state=SignOnState.SEEN, foreign_session="company-session")

    first = seen(at(0))
    for each in (first, seen(at(5)), seen(at(1), TalkdeskUserId("user2"))):
        assert await stores.sign_ons.save(each)
    [known] = await stores.sign_ons.of_person(ACCOUNT, USER)
    assert (known.id, known.begun_at, known.foreign_session) == (first.id, at(5), "company-session")
    await stores.sign_ons.end([first.id])
    await stores.sign_ons.save(seen(at(9)))
    assert [each.begun_at for each in await stores.sign_ons.of_person(ACCOUNT, USER)] == [at(5), at(9)]


async def test_the_answers_of_a_sign_out_are_remembered(stores: Stores) -> None:
    """That an app was not told is said once, and stays; of a session that was left alone nobody is told."""
    ours, others = sign_on(), sign_on()
    foreign = replace(sign_on(), state=SignOnState.SEEN, foreign_session="company-session")
    await save(stores, ours, others, foreign)
    await stores.sign_ons.end([ours.id, foreign.id], 7)
    assert await stores.sign_ons.answers(7) == set()
    for status in (500, 504, 200):
        await stores.sign_ons.note_answer([ours.id], status)
    await stores.sign_ons.note_answer([others.id], 400)
    assert await stores.sign_ons.answers(7) == {504}
    await stores.sign_ons.mark_told([ours.id, foreign.id])
    assert await stores.sign_ons.answers(7) == {504, None}
