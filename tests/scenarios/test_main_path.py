"""From an install to a sign-out."""

from demo.talkdesk import ACME, ANA, BRUNO, Endpoint
from tests.waiting import eventually
from tests.world import World, users_of


async def test_a_click_in_talkdesk_opens_the_app_with_the_person_in_it(world: World) -> None:
    """Install → approved → launch → signed in, no other click."""
    installation = await world.install(ACME)
    browser = world.browser(ANA)
    page = await world.launch(browser, installation, ANA)
    assert page.url == f"{world.wallboard.url}/"
    assert users_of(world.wallboard) == [ANA.id]
    claims = world.wallboard.signed_in[0].claims
    assert claims["talkdesk_account_id"] == ACME.id
    assert claims["talkdesk_installation_id"] == installation.id


async def test_a_sign_out_of_talkdesk_reaches_every_app(world: World) -> None:
    """Two apps, one `user.logout`."""
    installation = await world.install(ACME)
    notes = await world.install(ACME, "Notes")
    browser = world.browser(ANA)
    await world.launch(browser, installation, ANA)
    await world.launch(browser, notes, ANA)
    assert users_of(world.notes) == [ANA.id]
    await world.talkdesk.user_logout(ANA)
    await world.signed_out(world.wallboard, world.notes)


async def test_another_person_at_the_same_browser_is_signed_on_as_herself(world: World) -> None:
    """The former one's session ends, after Talkdesk has said who is there now."""
    installation = await world.install(ACME)
    browser = world.browser(ANA)
    await world.launch(browser, installation, ANA)
    world.talkdesk.sign_in(browser, BRUNO)
    before = len(world.talkdesk.calls_to(Endpoint.AUTHORIZE))
    page = await world.launch(browser, installation, BRUNO)
    assert len(world.talkdesk.calls_to(Endpoint.AUTHORIZE)) == before + 1, "the proof saves the second trip"
    assert page.url == f"{world.wallboard.url}/"
    assert "Bruno" in page.text
    await eventually(lambda: users_of(world.wallboard) == [BRUNO.id], what="only Bruno is signed in")
