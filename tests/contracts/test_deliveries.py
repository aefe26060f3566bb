"""Contracts of `Deliveries` and `LogoutRecords`."""

import asyncio
from dataclasses import replace
from datetime import timedelta

from broker.listing import DeliveryFilter, DeliveryRow, LogoutFilter, LogoutRow
from broker.model.delivery import DeliveryState, ReceivedToken
from broker.model.logout import Completed, Logout, LogoutCause
from broker.model.names import TalkdeskUserId
from broker.model.sign_on import SignOn
from broker.model.task import TaskKind
from broker.storage.database import Database
from broker.storage.sql_logout_lists import SqlLogoutList
from broker.storage.stores import Stores
from tests.contracts.stores import ACCOUNT, INSTALLATION, NOW, USER, Backend, at, sign_on

TOKEN = "known-logout-token"
LEASE = timedelta(seconds=60)


def received(jti: str = "jti1", relay: str = "wallboard", session: str | None = "session1") -> ReceivedToken:
    """A logout token for two minutes."""
    return ReceivedToken(relay, jti, session, "keycloak-user1", at(120), TOKEN)


async def receive(stores: Stores, token: ReceivedToken, due: float = 2.5) -> int:
    """Received now; its number."""
    number = await stores.deliveries.receive(token, NOW, at(due))
    assert number is not None
    return number


async def deliveries(database: Database) -> list[DeliveryRow]:
    """All of them, oldest first."""
    return [*reversed((await SqlLogoutList(database).deliveries(DeliveryFilter(), 100)).rows)]


async def logouts(database: Database) -> list[LogoutRow]:
    """All of them, oldest first."""
    return [*reversed((await SqlLogoutList(database).page(LogoutFilter(), 100)).rows)]


def logout(subject: str = "1", user: TalkdeskUserId | None = USER) -> Logout:
    """A sign-out that Talkdesk asked for."""
    return Logout(LogoutCause.USER_LOGOUT, subject, 7, ACCOUNT, user, INSTALLATION)


async def test_a_token_waits_for_its_app(stores: Stores, backend: Backend) -> None:
    """Due when said, with the token, which is sealed on disk; its task comes by itself."""
    number = await receive(stores, received(), due=0)
    [delivery] = await stores.deliveries.due("wallboard", at(0), 10)
    assert (delivery.number, delivery.attempts, delivery.expires_at) == (number, 0, at(120))
    assert (delivery.token, delivery.answer) == (TOKEN, None)
    assert TOKEN not in repr(delivery)
    assert TOKEN not in repr(received())
    assert TOKEN.encode() not in backend.content()
    [claim] = await stores.tasks.claim("test", {TaskKind.DELIVER: 1}, LEASE)
    assert claim.task.key == "wallboard"


async def test_a_token_is_taken_once(stores: Stores, other_stores: Stores, database: Database) -> None:
    """The same `jti` at the same app, also at the same instant; at another app it is another token."""
    taken = await asyncio.gather(
        *(each.deliveries.receive(received(), NOW, at(2.5)) for each in (stores, other_stores) * 5)
    )
    assert sorted(number is not None for number in taken) == [False] * 9 + [True]
    assert await stores.deliveries.receive(received(relay="notes"), NOW, at(2.5)) is not None
    assert len(await deliveries(database)) == 2


async def test_those_that_are_due_come_in_the_order_of_their_times(stores: Stores) -> None:
    """Of this app only, no more than asked for."""
    late, early = await receive(stores, received("a"), due=2), await receive(stores, received("b"), due=1)
    await receive(stores, received("c"), due=9)
    await receive(stores, received("d", relay="notes"), due=0)
    assert [each.number for each in await stores.deliveries.due("wallboard", at(5), 10)] == [early, late]
    assert [each.number for each in await stores.deliveries.due("wallboard", at(5), 1)] == [early]
    assert await stores.deliveries.next_due("wallboard") == at(1)
    assert await stores.deliveries.next_due("elsewhere") is None


async def test_a_try_that_failed_comes_again(stores: Stores, database: Database) -> None:
    """Counted, with what it ended with, and a task in time for it."""
    number = await receive(stores, received(), due=600)
    await stores.deliveries.postpone(number, NOW, NOW, "503")
    [delivery] = await stores.deliveries.due("wallboard", NOW, 10)
    assert (delivery.attempts, delivery.answer) == (1, "503")
    assert await stores.tasks.claim("test", {TaskKind.DELIVER: 1}, LEASE), "not only after ten minutes"
    assert [(each.state, each.attempts) for each in await deliveries(database)] == [("open", 1)]


async def test_what_is_settled_stays_settled(stores: Stores, database: Database) -> None:
    """A try that comes back late changes nothing."""
    number = await receive(stores, received(), due=0)
    await stores.deliveries.settle(number, DeliveryState.CONFIRMED, at(1), "200")
    await stores.deliveries.settle(number, DeliveryState.REFUSED, at(2), "400")
    await stores.deliveries.postpone(number, at(2), at(3), "503")
    assert await stores.deliveries.due("wallboard", at(9), 10) == []
    [row] = await deliveries(database)
    assert (row.state, row.answer, row.attempts, row.settled_at) == ("confirmed", "200", 1, at(1))


async def test_an_expired_token_is_gone_and_its_record_stays(stores: Stores, database: Database) -> None:
    """Whatever deletes expired values deletes it: nobody could use it any more."""
    number = await receive(stores, received(), due=0)
    await stores.one_time_values.delete_expired(at(120))
    [delivery] = await stores.deliveries.due("wallboard", at(121), 10)
    assert (delivery.number, delivery.token) == (number, None)
    assert [each.number for each in await deliveries(database)] == [number]


async def seen(stores: Stores, session: str, user: TalkdeskUserId = USER) -> SignOn:
    """A sign-on that became this Keycloak session."""
    kept = sign_on(user=user)
    assert await stores.sign_ons.save(kept)
    await stores.sign_ons.note_session(kept.id, session, f"keycloak-{user}")
    return kept


async def begin(stores: Stores, subject: str = "1", user: TalkdeskUserId | None = USER) -> int:
    """A sign-out that was asked for at `NOW`."""
    return await stores.logout_records.begin(logout(subject, user), NOW)


async def test_a_token_belongs_to_the_logout_that_ended_its_session(stores: Stores, database: Database) -> None:
    """The first one that did; to none where the session lives in our records, so that somebody else ended it in Keycloak."""
    first, second = await seen(stores, "s1"), await seen(stores, "s2")
    await seen(stores, "s3")
    one, two = await begin(stores, "1"), await begin(stores, "2")
    await stores.sign_ons.end([first.id], one)
    await stores.sign_ons.end([first.id, second.id], two)
    for session in ("s1", "s2", "s3"):
        await receive(stores, received(session, session=session))
    assert [each.logout for each in await deliveries(database)] == [one, two, None]


async def test_a_token_of_a_session_that_nobody_saw_belongs_to_its_persons_logout(
    stores: Stores, database: Database
) -> None:
    """An app asked Keycloak by itself: the person was seen before, and was signed out a moment ago."""
    await seen(stores, "s1")
    unseen, stranger = sign_on(), sign_on(user=TalkdeskUserId("user2"))
    await stores.sign_ons.save(unseen)
    await stores.sign_ons.save(stranger)
    number, other = await begin(stores, "1"), await begin(stores, "2", TalkdeskUserId("user2"))
    await stores.sign_ons.end([unseen.id], number)
    await stores.sign_ons.end([stranger.id], other)
    token = replace(received(session="unseen"), subject=f"keycloak-{USER}")
    await receive(stores, token)
    await receive(stores, replace(token, jti="nobody's", subject="keycloak-nobody"))
    assert [each.logout for each in await deliveries(database)] == [number, None]


async def test_a_logout_begun_again_goes_on(stores: Stores, database: Database) -> None:
    """A task runs more than once; the first time of asking counts."""
    assert await begin(stores) == await stores.logout_records.begin(logout(), at(9))
    assert await begin(stores, "2") != await begin(stores)
    assert [(each.asked_at, each.state) for each in await logouts(database)] == [(NOW, "open")] * 2


async def test_a_logout_is_complete_when_keycloak_and_every_app_have_answered(
    stores: Stores, database: Database
) -> None:
    """Once, by whichever comes last; it took as long as the last app."""
    ended = await seen(stores, "s1")
    number = await begin(stores)
    await stores.sign_ons.end([ended.id], number)
    first, second = [await receive(stores, received(jti, session="s1")) for jti in ("a", "b")]
    assert await stores.deliveries.settle(first, DeliveryState.CONFIRMED, at(1), "200") is None
    assert await stores.logout_records.mark_told(number, at(2), None) is None
    assert [(each.state, each.open, each.confirmed) for each in await logouts(database)] == [("delivering", 1, 1)]
    completed = await stores.deliveries.settle(second, DeliveryState.CONFIRMED, at(3), "200")
    assert completed == Completed(NOW, at(3))
    assert await stores.logout_records.mark_told(number, at(9), None) is None, "said once"
    [row] = await logouts(database)
    assert (row.state, row.told_at, row.completed_at, row.sign_ons) == ("done", at(2), at(3), 1)


async def test_a_logout_without_relays_is_complete_when_keycloak_was_told(stores: Stores) -> None:
    """Of apps that Keycloak tells by itself nothing is known here."""
    assert await stores.logout_records.mark_told(await begin(stores), at(2), None) == Completed(NOW, None)


async def test_an_app_that_was_not_reached_leaves_the_logout_undelivered(stores: Stores, database: Database) -> None:
    """Refused or expired, whatever the others do."""
    ended = await seen(stores, "s1")
    number = await begin(stores)
    await stores.sign_ons.end([ended.id], number)
    first, second = [await receive(stores, received(jti, session="s1")) for jti in ("a", "b")]
    await stores.deliveries.settle(first, DeliveryState.EXPIRED, at(1), "503")
    await stores.logout_records.mark_told(number, at(2), None)
    assert await stores.deliveries.settle(second, DeliveryState.CONFIRMED, at(3), "200") is None
    [row] = await logouts(database)
    assert (row.state, row.undelivered, row.completed_at) == ("undelivered", 1, None)


async def test_why_a_logout_is_open_is_on_record_until_it_is_not(stores: Stores, database: Database) -> None:
    """What Keycloak could not do stays; a later round that finds nothing takes it not away."""
    number = await begin(stores)
    await stores.logout_records.note_problem(number, "disabled")
    assert [(each.state, each.problem) for each in await logouts(database)] == [("open", "disabled")]
    await stores.logout_records.mark_told(number, at(2), "504")
    await stores.logout_records.mark_told(number, at(7), None)
    assert [(each.state, each.problem) for each in await logouts(database)] == [("done", "504")]
    other = await begin(stores, "2")
    await stores.logout_records.note_problem(other, "disabled")
    await stores.logout_records.mark_told(other, at(2), None)
    assert [each.problem for each in await logouts(database)] == ["504", None]


async def test_old_records_are_forgotten(stores: Stores, database: Database) -> None:
    """Strictly older than that."""
    await begin(stores)
    await receive(stores, received())
    assert (await stores.deliveries.forget(NOW), await stores.logout_records.forget(NOW)) == (0, 0)
    assert (await stores.deliveries.forget(at(1)), await stores.logout_records.forget(at(1))) == (1, 1)
    assert (await deliveries(database), await logouts(database)) == ([], [])
