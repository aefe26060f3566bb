"""People whose licence is taken away: out at once, and kept out, until it is given again."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from broker.model.names import InstallationId
from broker.storage import schema
from demo.talkdesk import ACME, ANA, BRUNO, Endpoint, Event, Installation, InstallationState, User
from tests.fakes.keycloak import KeycloakImitation
from tests.scenarios.test_sign_out import no_task_is_due
from tests.waiting import eventually
from tests.world import World, users_of

pytestmark = pytest.mark.thorough


async def remove_ana(world: World, installation: Installation) -> None:
    """Remove her, and wait until Talkdesk heard that it is done."""
    await world.talkdesk.update(installation, removing=[ANA])
    await eventually(lambda: installation.state is InstallationState.APPROVED, what="the update is approved")


async def reasons(world: World) -> list[str]:
    """Reason codes of everything that stopped somebody."""
    database = world.broker.opened.stores.failures._database  # type: ignore[attr-defined]
    query = select(schema.failure.c.reason)
    rows: list[str] = await database.read(lambda connection: list(connection.scalars(query)))
    return rows


async def test_a_removed_person_is_out_of_every_app_before_the_update_is_approved(world: World) -> None:
    """Her sessions in the account end, whichever app they came through; others stay in."""
    installation = await world.install(ACME)
    notes = await world.install(ACME, "Notes")
    await world.launch(world.browser(ANA), installation, ANA)
    await world.launch(world.browser(ANA), notes, ANA)
    await world.launch(world.browser(BRUNO), installation, BRUNO)
    await remove_ana(world, installation)
    assert users_of(world.wallboard) == [BRUNO.id]
    assert not world.notes.signed_in


async def test_the_approval_waits_until_keycloak_has_signed_them_out(world: World, keycloak: KeycloakImitation) -> None:
    """Approved means done."""
    installation = await world.install(ACME)
    await world.launch(world.browser(ANA), installation, ANA)
    await keycloak.down()
    await world.talkdesk.update(installation, removing=[ANA])
    approvals = len(world.talkdesk.calls_to(Endpoint.STATE))

    async def is_waiting() -> bool:
        stores = world.broker.opened.stores
        return not await stores.logouts.are_done(
            (await stores.events.unanswered(InstallationId(installation.id)))[0][0]
        )

    assert await is_waiting()
    assert users_of(world.wallboard) == [ANA.id]
    assert len(world.talkdesk.calls_to(Endpoint.STATE)) == approvals
    await keycloak.up()
    await world.signed_out(world.wallboard)
    await eventually(lambda: installation.state is InstallationState.APPROVED, what="the update is approved")


async def test_a_removed_person_can_not_come_back_until_added_again(world: World) -> None:
    """Talkdesk itself knows her; it is the licence that is gone."""
    installation = await world.install(ACME)
    await remove_ana(world, installation)
    page = await world.launch(world.browser(ANA), installation, ANA)
    assert page.status == 403
    assert "no licence" in page.text
    assert not world.wallboard.signed_in
    assert await reasons(world) == ["user_removed"]
    await world.another_second()
    await world.talkdesk.update(installation, adding=[ANA])
    await eventually(lambda: installation.state is InstallationState.APPROVED, what="the update is approved")
    page = await world.launch(world.browser(ANA), installation, ANA)
    assert page.url == f"{world.wallboard.url}/", page.text


async def test_a_session_that_came_through_another_app_does_not_open_this_one(world: World) -> None:
    """She has a licence for Notes only: her session there is no way into Wallboard's launch."""
    installation = await world.install(ACME)
    notes = await world.install(ACME, "Notes")
    await remove_ana(world, installation)
    await world.another_second()
    browser = world.browser(ANA)
    assert (await world.launch(browser, notes, ANA)).url == f"{world.notes.url}/"
    page = await world.launch(browser, installation, ANA)
    assert page.status == 403
    assert not world.wallboard.signed_in
    assert users_of(world.notes) == [ANA.id]


async def test_who_is_removed_while_talkdesk_is_asked_does_not_get_in(world: World) -> None:
    """The trip to Talkdesk was begun before; the callback looks again."""
    installation = await world.install(ACME)
    browser = world.browser(None)
    page = await world.launch(browser, installation, ANA)
    await remove_ana(world, installation)
    world.talkdesk.sign_in(browser, ANA)
    finished = await browser.open(page.url)
    assert finished.status == 403
    assert not world.wallboard.signed_in


async def test_a_pending_code_of_a_removed_person_is_worth_nothing(world: World, keycloak: KeycloakImitation) -> None:
    """Keycloak has the code, and redeems it after she was removed."""
    installation = await world.install(ACME)
    browser = world.browser(ANA)
    keycloak.fail(f"/realms/talkdesk/broker/talkdesk-{installation.id}/endpoint", 503)
    stopped = await world.launch(browser, installation, ANA)
    assert stopped.status == 503
    await remove_ana(world, installation)
    await browser.open(stopped.url)
    assert not world.wallboard.signed_in
    assert not keycloak.sessions()


def update_of(world: World, installation: Installation, change: str, user: User, seconds: int) -> Event:
    """An update as Talkdesk would have made it so many seconds from now."""
    users: dict[str, list[str]] = {"adding": [], "removing": [], change: [user.id]}
    data = {"installation_id": installation.id, "account_id": ACME.id, "account_name": ACME.name, "users": users}
    created_at = datetime.now(UTC) + timedelta(seconds=seconds)
    return world.talkdesk.make_event("app.updated", installation.app, data, created_at=created_at)


async def test_a_removal_that_comes_late_ends_what_began_since(world: World) -> None:
    """The event is older than her sign-on: she was removed all the same."""
    installation = await world.install(ACME)
    removal = update_of(world, installation, "removing", ANA, -60)
    await world.launch(world.browser(ANA), installation, ANA)
    await world.talkdesk.deliver(removal)
    await world.signed_out(world.wallboard)


async def test_a_removal_and_its_reversal_swapped_leave_the_person_in(world: World) -> None:
    """The newer word counts, in whatever order they come; a session that began after both goes on."""
    installation = await world.install(ACME)
    removal = update_of(world, installation, "removing", ANA, -60)
    await world.talkdesk.deliver(update_of(world, installation, "adding", ANA, -30))
    page = await world.launch(world.browser(ANA), installation, ANA)
    assert page.url == f"{world.wallboard.url}/", page.text
    await world.talkdesk.deliver(removal)
    await eventually(lambda: no_task_is_due(world), what="everything that follows is done")
    assert users_of(world.wallboard) == [ANA.id]
    page = await world.launch(world.browser(ANA), installation, ANA)
    assert page.url == f"{world.wallboard.url}/", page.text
