"""The imitation of Keycloak: whom a first login creates, links or refuses (docs/keycloak.md "First login, users, profile", T3, T4)."""

import pytest

from demo.browser import Browser
from tests.fakes.keycloak.model import Provider
from tests.scenarios.keycloak_imitation.counterparts import Counterparts


async def test_new_alias_with_the_same_issuer_links_to_the_same_user(desk: Counterparts, browser: Browser) -> None:
    """Silently: the user was minted this way before."""
    await desk.launch(browser)
    browser.clear()
    desk.keycloak.add_provider(Provider(desk.representation("talkdesk-one-2")))

    page = await desk.launch(browser, kc_idp_hint="talkdesk-one-2")

    (user,) = desk.keycloak.users()
    assert (page.text, set(user.links)) == ("in the app", {"talkdesk-one", "talkdesk-one-2"})


async def test_local_user_of_that_name_is_not_linked(desk: Counterparts, browser: Browser) -> None:
    """The guard of the flow: only names that the broker mints may be linked."""
    local = desk.keycloak.add_user("ana")
    desk.person = {"preferred_username": "Ana"}

    page = await desk.launch(browser)

    assert (page.status, local.links, desk.keycloak.sessions()) == (401, {}, [])


async def test_equal_email_takes_over_a_minted_user(desk: Counterparts, browser: Browser) -> None:
    """T4: e-mail comes before username, and the guard does not stop it between two minted users."""
    victim = desk.keycloak.add_user("talkdesk-other-eva", "eva@example.com")
    desk.person = {"email": "eva@example.com", "email_verified": False}

    await desk.launch(browser)

    assert desk.keycloak.sessions()[0].user is victim


async def test_used_alias_locks_out_who_signed_on_twice(desk: Counterparts, browser: Browser) -> None:
    """T3: an identity provider that is made again under a used alias is an error page for them, for good."""
    provider = desk.keycloak.identity_providers["talkdesk-one"]
    for _ in range(2):
        await desk.launch(browser)
        browser.clear()
    desk.keycloak.delete_provider("talkdesk-one")
    desk.keycloak.add_provider(provider)

    assert [(await desk.launch(browser)).status for _ in range(2)] == [500, 500]


@pytest.mark.parametrize("name", ["Ana <b>", "A/B", "(Ana)"])
async def test_name_that_the_profile_refuses_is_a_page(desk: Counterparts, browser: Browser, name: str) -> None:
    """Keycloak asks for better data at every launch."""
    desk.person = {"given_name": name}

    page = await desk.launch(browser)

    assert (page.status, page.text.count("Update Account Information")) == (200, 1)


async def test_names_follow_the_provider_with_force_only(desk: Counterparts, browser: Browser) -> None:
    """FORCE overwrites at every login, IMPORT touches nothing after the first."""
    config = desk.representation()["config"]
    for mode, expected in (("FORCE", "Anna"), ("IMPORT", "Anna")):
        desk.keycloak.identity_providers["talkdesk-one"].sent["config"] = config | {"syncMode": mode}
        for name in ("Ana", "Anna") if mode == "FORCE" else ("Annika",):
            desk.person = {"given_name": name}
            await desk.launch(browser)
            browser.clear()
        assert desk.keycloak.users()[0].first_name == expected


async def test_other_first_login_flow_is_a_page(desk: Counterparts, browser: Browser) -> None:
    """Keycloak's own flow asks to review the profile."""
    desk.keycloak.add_provider(Provider(desk.representation("plain", firstBrokerLoginFlowAlias=None)))

    page = await desk.launch(browser, kc_idp_hint="plain")

    assert "Update Account Information" in page.text
    assert desk.keycloak.users() == []
