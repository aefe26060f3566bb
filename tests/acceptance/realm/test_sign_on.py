"""What a sign-on through the realm `talkdesk` gives to apps, and whom it can't become (realm-config/README.md)."""

import uuid

import httpx

from broker.model.names import InstallationId
from demo.browser import Browser
from tests.acceptance.keycloak_server import RunningKeycloak
from tests.acceptance.realm.actors import (
    ANA,
    App,
    Desk,
    LocalUser,
    assert_asks_for_nothing,
    launch_client,
    sign_on,
)


async def test_an_app_gets_who_signed_on(keycloak: RunningKeycloak, app: App, visitor: Browser, desk: Desk) -> None:
    """Account, user, installation and apps as claims; the e-mail address where stock libraries look for it."""
    code = await sign_on(visitor, app.auth_url(keycloak, kc_idp_hint=desk.alias))
    claims = await app.claims(keycloak, code)
    expected = {name: value for name, value in ANA.items() if name.startswith("talkdesk_")}
    del expected["talkdesk_email_verified"], expected["talkdesk_sign_on"]
    expected |= {"talkdesk_installation_id": desk.installation, "talkdesk_apps": ["wallboard", "notes"]}
    assert {name: value for name, value in claims.items() if name.startswith("talkdesk_")} == expected
    assert (claims["email"], claims["email_verified"]) == ("ana@acme.example", True)
    assert (claims["name"], claims["preferred_username"]) == ("Ana Silva", "talkdesk-acme-ana")


async def test_an_address_that_nobody_vouches_for_is_not_verified(
    keycloak: RunningKeycloak, app: App, visitor: Browser, desk: Desk
) -> None:
    """`email_verified` is what the sign-on said, as a boolean."""
    desk.provider.person["talkdesk_email_verified"] = "false"
    code = await sign_on(visitor, app.auth_url(keycloak, kc_idp_hint=desk.alias))
    assert (await app.claims(keycloak, code))["email_verified"] is False


async def test_a_launch_learns_which_sign_on_it_was(keycloak: RunningKeycloak, visitor: Browser, desk: Desk) -> None:
    """`talkdesk-launch` alone gets the sign-on's id and the identity provider; nothing that it has no use for."""
    launch = await launch_client(keycloak)
    claims = await launch.claims(keycloak, await sign_on(visitor, launch.auth_url(keycloak, kc_idp_hint=desk.alias)))
    assert (claims["talkdesk_sign_on"], claims["identity_provider"]) == ("sign-on-1", desk.alias)
    of_the_protocol = {"iss", "sub", "aud", "azp", "iat", "exp", "auth_time", "jti", "typ", "sid", "at_hash", "acr"}
    of_the_person = {name for name in ANA if name.startswith("talkdesk_")} - {"talkdesk_email_verified"}
    expected = of_the_protocol | of_the_person | {"talkdesk_installation_id", "identity_provider"}
    assert set(claims) == expected


async def test_one_person_is_one_user_through_two_installations(
    keycloak: RunningKeycloak, admin: httpx.AsyncClient, app: App, visitor: Browser, desk: Desk
) -> None:
    """The first sign-on through another installation links silently, and the app sees the same `sub`; Keycloak's own e-mail stays empty."""
    first = await app.claims(keycloak, await sign_on(visitor, app.auth_url(keycloak, kc_idp_hint=desk.alias)))
    other = InstallationId(uuid.uuid4().hex)
    await desk.add(other)
    async with Browser() as another:
        code = await sign_on(another, app.auth_url(keycloak, kc_idp_hint=desk.provider.alias(other)))
    second = await app.claims(keycloak, code)
    assert second["sub"] == first["sub"]
    assert second["talkdesk_installation_id"] == other
    (user,) = (await admin.get("users", params={"username": "talkdesk-acme-ana", "exact": True})).json()
    assert "email" not in user
    assert user["requiredActions"] == []


async def test_a_user_of_another_origin_is_not_taken_over(
    keycloak: RunningKeycloak, visitor: Browser, app: App, desk: Desk, local_user: LocalUser
) -> None:
    """A sign-on under the name of a local user is refused in plain words, and nothing is linked."""
    desk.provider.person |= {"sub": local_user.name, "preferred_username": local_user.name}
    page = await visitor.open(app.auth_url(keycloak, kc_idp_hint=desk.alias))
    assert page.status == 401
    assert "<h1>This account can’t be used</h1>" in page.text
    assert_asks_for_nothing(page)
    assert await local_user.links() == []


async def test_an_address_takes_nobody_over(
    keycloak: RunningKeycloak, visitor: Browser, app: App, desk: Desk, local_user: LocalUser
) -> None:
    """Should an `email` ever be sent (the broker sends none), the user who has it already is left alone."""
    mallory = "talkdesk-acme-mallory"
    desk.provider.person |= {"sub": mallory, "preferred_username": mallory, "email": local_user.email}
    claims = await app.claims(keycloak, await sign_on(visitor, app.auth_url(keycloak, kc_idp_hint=desk.alias)))
    assert claims["preferred_username"] == mallory
    assert claims["sub"] != await local_user.id()
    assert await local_user.links() == []
