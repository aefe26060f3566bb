"""`broker sign-ons` and `broker logouts`."""

import asyncio
from datetime import timedelta

import pytest

from broker.model.delivery import DeliveryState, ReceivedToken
from broker.model.logout import Logout, LogoutCause
from broker.model.names import AccountId, InstallationId, TalkdeskUserId
from broker.model.task import TaskKind
from broker.storage.stores import Stores
from tests.cli.conftest import Commands
from tests.contracts.stores import ACCOUNT, INSTALLATION, NOW, USER, at, installed, receive, sign_on
from tests.waiting import eventually

pytestmark = pytest.mark.thorough

LEASE = timedelta(seconds=60)
BRUNO = TalkdeskUserId("user2")


async def signed_on(stores: Stores) -> list[str]:
    """Ids: two of one person, one of another, one of another account, through an installation each."""
    await receive(stores, installed())
    await receive(stores, installed(installation=InstallationId("i2"), account=AccountId("account2")))
    kept = [sign_on(at(1)), sign_on(at(2)), sign_on(at(1), user=BRUNO)]
    for each in kept:
        assert await stores.sign_ons.save(each)
    return [each.id for each in kept]


async def asked_for(stores: Stores) -> list[tuple[str, str]]:
    """Account and user of each sign-out that waits for the service."""
    claims = await stores.tasks.claim("test", {TaskKind.SIGN_OUT: 100}, LEASE)
    logouts = [(await stores.logouts.get(int(claim.task.key.partition("#")[0]))) for claim in claims]
    assert {each.cause for each in logouts} <= {LogoutCause.OPERATOR}
    return sorted((each.logout.account, each.logout.user) for each in logouts)


async def test_sign_ons_are_listed(stores: Stores, commands: Commands) -> None:
    """Newest first; by person, and only those that live."""
    first, second, third = await signed_on(stores)
    listed = await commands.objects("sign-ons", "list")
    assert {each["sign_on"] for each in listed} == {first, second, third}
    assert set(listed[0]) == {
        "sign_on", "account", "user", "installation", "begun_at", "created_at", "state", "ended_at", "told_at",
        "told_status", "logout", "keycloak_session",
    }  # fmt: skip
    of_bruno = await commands.objects("sign-ons", "list", "--user", BRUNO)
    assert [each["sign_on"] for each in of_bruno] == [third]
    await stores.sign_ons.end([first])
    assert len(await commands.objects("sign-ons", "list", "--live")) == 2
    assert len(await commands.objects("sign-ons", "list", "--limit", "1")) == 1
    assert BRUNO in await commands.run("sign-ons", "list")


async def test_one_person_is_signed_out(stores: Stores, commands: Commands) -> None:
    """Once, however many sign-ons there are; also those that Talkdesk's clock saw begin after ours."""
    await signed_on(stores)
    late = sign_on(at(3600 * 24 * 365 * 50))
    await stores.sign_ons.save(late)
    arguments = ("sign-ons", "end", "--account", ACCOUNT, "--user", USER, "--wait", "0")
    assert "Sign 1 person out" in await commands.run(*arguments, answer="y\n")
    claims = await stores.tasks.claim("test", {TaskKind.SIGN_OUT: 100}, LEASE)
    [asked] = [await stores.logouts.get(int(claim.task.key.partition("#")[0])) for claim in claims]
    assert (asked.logout.user, asked.cause) == (USER, LogoutCause.OPERATOR)
    assert asked.logout.created_at >= late.begun_at


async def test_everybody_of_an_installation_or_account_is_signed_out(stores: Stores, commands: Commands) -> None:
    """And nobody of another."""
    await signed_on(stores)
    await commands.run("sign-ons", "end", "--installation", INSTALLATION, "--wait", "0", "--yes")
    assert await asked_for(stores) == [(ACCOUNT, USER), (ACCOUNT, BRUNO)]
    await commands.run("sign-ons", "end", "--account", ACCOUNT, "--wait", "0", "--yes")
    assert await asked_for(stores) == [(ACCOUNT, USER), (ACCOUNT, BRUNO)]
    assert "Nobody" in await commands.run("sign-ons", "end", "--account", "account2", "--yes", exit_code=1)


async def test_who_says_no_signs_nobody_out(stores: Stores, commands: Commands) -> None:
    """Nor who says nothing at all, nor who does not say whose."""
    await signed_on(stores)
    for answer in ("n\n", ""):
        await commands.run("sign-ons", "end", "--account", ACCOUNT, exit_code=1, answer=answer)
    await commands.run("sign-ons", "end", "--yes", exit_code=2)
    await commands.run("sign-ons", "end", "--user", USER, "--yes", exit_code=2)
    assert await asked_for(stores) == []


async def test_the_command_waits_for_the_service(stores: Stores, commands: Commands) -> None:
    """Until Keycloak was told of everybody, or the time is over."""
    await signed_on(stores)
    arguments = ("sign-ons", "end", "--account", ACCOUNT, "--yes", "--wait")
    assert "Signed out: 0 of 2. The running service goes on." in await commands.run(*arguments, "1")
    running = asyncio.create_task(commands.run(*arguments, "60"))

    async def is_done() -> bool:
        for claim in await stores.tasks.claim("service", {TaskKind.SIGN_OUT: 100}, LEASE):
            await stores.tasks.finish(claim)
        return running.done()

    await eventually(is_done, what="the command has seen it")
    assert "Signed out: 2 of 2." in await running


async def keep_logouts(stores: Stores) -> tuple[int, int]:
    """One that is done, and one that an app refused."""
    ended = await signed_on(stores)
    numbers = []
    for position, (subject, state) in enumerate((("1", DeliveryState.CONFIRMED), ("2", DeliveryState.REFUSED))):
        number = await stores.logout_records.begin(
            Logout(LogoutCause.USER_LOGOUT, subject, 1, ACCOUNT, USER, INSTALLATION), at(position)
        )
        await stores.sign_ons.note_session(ended[position], f"session{position}", "user")
        await stores.sign_ons.end([ended[position]], number)
        await stores.sign_ons.note_answer([ended[position]], 200)
        token = ReceivedToken("wallboard", subject, f"session{position}", "user", at(120), "known-token")
        delivery = await stores.deliveries.receive(token, NOW, NOW)
        assert delivery is not None
        await stores.deliveries.settle(delivery, state, at(3), "answered")
        await stores.logout_records.mark_told(number, at(4), None)
        numbers.append(number)
    return numbers[0], numbers[1]


async def test_sign_outs_are_listed_with_how_far_they_came(stores: Stores, commands: Commands) -> None:
    """Newest first, with stable names; filtered by state."""
    done, undelivered = await keep_logouts(stores)
    listed = await commands.objects("logouts", "list")
    assert [(each["number"], each["state"], each["confirmed"], each["undelivered"]) for each in listed] == [
        (undelivered, "undelivered", 0, 1),
        (done, "done", 1, 0),
    ]
    assert set(listed[0]) == {
        "number", "cause", "event", "account", "user", "installation", "asked_at", "state", "told_at", "completed_at",
        "sign_ons", "open", "confirmed", "undelivered", "problem",
    }  # fmt: skip
    found = await commands.objects("logouts", "list", "--state", "undelivered", "--user", USER)
    assert [each["number"] for each in found] == [undelivered]
    assert "undelivered" in await commands.run("logouts", "list")
    assert "None." in await commands.run("logouts", "list", "--account", "elsewhere")


async def test_a_sign_out_is_shown_with_sessions_and_apps(stores: Stores, commands: Commands) -> None:
    """Which app confirmed when; never the token."""
    done, _ = await keep_logouts(stores)
    [shown] = await commands.objects("logouts", "show", str(done))
    assert [each["told_status"] for each in shown["sessions"]] == [200]
    assert [(each["relay"], each["state"], each["settled_at"]) for each in shown["deliveries"]] == [
        ("wallboard", "confirmed", "2026-11-25T12:00:03Z")
    ]
    printed = await commands.run("logouts", "show", str(done)) + await commands.run("logouts", "deliveries", "--json")
    assert "wallboard" in printed
    assert "known-token" not in printed
    assert "no sign-out 99" in await commands.run("logouts", "show", "99", exit_code=1)


async def test_deliveries_are_listed_by_app_and_state(stores: Stores, commands: Commands) -> None:
    """What to look for when an alert came."""
    _, undelivered = await keep_logouts(stores)
    listed = await commands.objects("logouts", "deliveries", "--state", "refused", "--relay", "wallboard")
    assert [(each["logout"], each["answer"]) for each in listed] == [(undelivered, "answered")]
    assert await commands.objects("logouts", "deliveries", "--relay", "notes") == []
