"""What a customer's administrator makes of his people, on a real Keycloak: the same words as in the scenarios, and what the apps' tokens say."""

from demo.talkdesk import ACME, ANA, BRUNO, CARLA, GLOBEX
from tests.scenarios.existing.test_existing_users import with_address
from tests.scenarios.test_strangers import (
    test_people_of_all_names_and_ids_are_told_apart,
    test_script_in_an_accounts_name_is_a_name,
)
from tests.world import OpenWorld

__all__ = ["test_people_of_all_names_and_ids_are_told_apart", "test_script_in_an_accounts_name_is_a_name"]

VOUCHED_FOR = f"""
    [[accounts]]
    id = "{ACME.id}"
    email_domains = ["acme.example"]
    """


async def test_a_strangers_address_makes_nobody_that_stranger(opened: OpenWorld) -> None:
    """Ana is given Carla's address, who is another customer's: another `sub`, her own account, and an address for which nobody vouches."""
    async with opened(config=VOUCHED_FOR) as world:
        acme, globex = await world.install(ACME), await world.install(GLOBEX)
        await world.launch(world.browser(CARLA), globex, CARLA)
        await world.launch(world.browser(BRUNO), acme, BRUNO)
        mallory = with_address(world, ANA, CARLA.email)
        await world.launch(world.browser(mallory), acme, mallory)
        claims = {str(each.claims["talkdesk_user_id"]): each.claims for each in world.wallboard.signed_in}
        ours, strangers, honest = claims[ANA.id], claims[CARLA.id], claims[BRUNO.id]
        assert ours["sub"] != strangers["sub"]
        assert (ours["talkdesk_account_id"], ours["email"]) == (ACME.id, CARLA.email)
        assert ours["email_verified"] is False
        assert honest["email_verified"] is True, "the account may speak for its own domain"
        assert strangers["email_verified"] is False, "and Globex is not listed with any"
