"""Sign-on and sign-out on a real Keycloak: the same words as in the scenarios, where no imitation is looked into."""

from demo.talkdesk import ACME, ANA, BRUNO, Installation, InstallationState
from tests.acceptance.keycloak_server import RunningKeycloak
from tests.scenarios.test_sign_on import (
    test_a_forged_hint_makes_nobody_somebody_else,
    test_a_link_to_another_account_ends_nothing_before_talkdesk_has_spoken,
    test_a_person_of_another_account_at_the_same_browser,
    test_a_session_begun_through_another_app_of_the_account_is_the_same_person,
    test_after_a_sign_out_the_next_launch_is_clean,
    test_the_other_persons_session_elsewhere_lives_on,
    test_the_own_session_needs_no_trip_to_talkdesk,
    test_who_comes_without_talkdesk_launches_again_where_this_browser_launched_last,
    test_without_a_hint_talkdesk_is_asked,
)
from tests.scenarios.test_sign_out import credentials_are_gone, test_exactly_the_persons_sessions_end
from tests.waiting import eventually
from tests.world import World, users_of

__all__ = [
    "test_a_forged_hint_makes_nobody_somebody_else",
    "test_a_link_to_another_account_ends_nothing_before_talkdesk_has_spoken",
    "test_a_person_of_another_account_at_the_same_browser",
    "test_a_session_begun_through_another_app_of_the_account_is_the_same_person",
    "test_after_a_sign_out_the_next_launch_is_clean",
    "test_exactly_the_persons_sessions_end",
    "test_the_other_persons_session_elsewhere_lives_on",
    "test_the_own_session_needs_no_trip_to_talkdesk",
    "test_who_comes_without_talkdesk_launches_again_where_this_browser_launched_last",
    "test_without_a_hint_talkdesk_is_asked",
]


async def aliases(keycloak: RunningKeycloak) -> list[str]:
    """Of all identity providers of the realm."""
    async with keycloak.admin() as admin:
        listed = (await admin.get("identity-provider/instances", params={"max": 1000})).raise_for_status().json()
    return [each["alias"] for each in listed]


async def test_an_app_that_is_uninstalled_and_installed_again_has_the_same_people(
    world: World, keycloak: RunningKeycloak
) -> None:
    """Out of the app, identity provider gone, credentials erased; then a new alias and the old `sub`."""
    installation = await world.install(ACME)
    first = await world.alias(installation)
    browser = world.browser(ANA)
    await world.launch(browser, installation, ANA)
    await world.launch(world.browser(BRUNO), installation, BRUNO)
    subs = {each.claims["talkdesk_user_id"]: each.claims["sub"] for each in world.wallboard.signed_in}
    await world.talkdesk.uninstall(installation)
    await world.signed_out(world.wallboard)
    await eventually(lambda: credentials_are_gone(world, installation.id), what="the credentials are erased")
    assert first not in await aliases(keycloak)

    await world.talkdesk.install_again(installation)
    await world.talkdesk.until_answered(installation, InstallationState.APPROVED, seconds=60)
    assert await world.alias(installation) == f"{first}-2"
    world.talkdesk.sign_in(browser, ANA)
    await world.launch(browser, installation, ANA)
    assert users_of(world.wallboard) == [ANA.id]
    assert world.wallboard.signed_in[0].claims["sub"] == subs[ANA.id]


async def test_an_identity_provider_that_was_deleted_in_the_console_comes_back_under_another_alias(
    world: World, keycloak: RunningKeycloak
) -> None:
    """Its people sign on as before, without a question."""
    installation = await world.install(ACME)
    first = await world.alias(installation)
    browser = world.browser(ANA)
    await world.launch(browser, installation, ANA)
    sub = world.wallboard.signed_in[0].claims["sub"]
    async with keycloak.admin() as admin:
        (await admin.delete(f"identity-provider/instances/{first}")).raise_for_status()
    await world.converge(installation)
    await eventually(lambda: has_alias(world, installation, f"{first}-2"), what="there is another alias")
    await world.launch(browser, installation, ANA)
    assert sub in [each.claims["sub"] for each in world.wallboard.signed_in]


async def has_alias(world: World, installation: Installation, alias: str) -> bool:
    """Whether this is the installation's live alias."""
    return await world.alias(installation) == alias
