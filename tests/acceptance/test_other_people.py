"""Several people at one browser, on a real Keycloak: the same words as in the scenarios, and what only a real one does."""

from demo.talkdesk import ACME, ANA, BRUNO
from tests.scenarios.test_other_people import (
    AUTH,
    test_a_callback_that_comes_late_does_not_pass_for_the_next_persons_launch,
    test_a_link_with_the_victims_own_installation_ends_nothing_before_the_proof,
    test_a_proof_works_for_its_own_launch_only,
    test_an_account_that_was_taken_off_the_list_is_out_of_every_way_in,
    test_who_signs_out_on_the_way_is_not_signed_on,
)
from tests.world import World, users_of

__all__ = [
    "test_a_callback_that_comes_late_does_not_pass_for_the_next_persons_launch",
    "test_a_link_with_the_victims_own_installation_ends_nothing_before_the_proof",
    "test_a_proof_works_for_its_own_launch_only",
    "test_an_account_that_was_taken_off_the_list_is_out_of_every_way_in",
    "test_who_signs_out_on_the_way_is_not_signed_on",
]


async def test_after_a_second_sign_on_inside_one_session_another_person_still_gets_in(world: World) -> None:
    """An app asked with `prompt=login`: Keycloak's notes name the second sign-on, but only the first one's `sid` ends the session."""
    installation = await world.install(ACME)
    browser = world.browser(ANA)
    await world.launch(browser, installation, ANA)
    auth = await browser.open(world.wallboard.start_url, stop_before=AUTH)
    await browser.open(f"{auth.url}&prompt=login&kc_idp_hint={await world.alias(installation)}")
    world.talkdesk.sign_in(browser, BRUNO)
    page = await world.launch(browser, installation, BRUNO)
    assert BRUNO.name in page.text
    assert users_of(world.wallboard) == [BRUNO.id]
