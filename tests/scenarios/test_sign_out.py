"""Sign-out and uninstall: who is ended, in which order, and what happens when somebody does not answer."""

from datetime import timedelta

import pytest
from sqlalchemy import delete

from broker.model.names import AccountId, InstallationId, TalkdeskUserId
from broker.model.sign_on import SignOnState
from broker.storage import schema
from broker.storage.stores import Stores
from demo.talkdesk import ACME, ANA, BRUNO, CARLA, GLOBEX, InstallationState, Variants
from demo.talkdesk.variants import UninstallAnswer
from tests.fakes.keycloak import KeycloakImitation
from tests.waiting import eventually
from tests.world import OpenWorld, World, users_of

pytestmark = pytest.mark.thorough

LOGOUT = "/realms/talkdesk/protocol/openid-connect/logout/backchannel-logout"
PROVIDERS = "/admin/realms/talkdesk/identity-provider/instances"


async def test_exactly_the_persons_sessions_end(world: World) -> None:
    """Ana in two browsers and two apps; Bruno and Carla stay."""
    wallboard, notes = await world.install(ACME), await world.install(ACME, "Notes")
    globex = await world.install(GLOBEX)
    one, two = world.browser(ANA), world.browser(ANA)
    await world.launch(one, wallboard, ANA)
    await world.launch(one, notes, ANA)
    await world.launch(two, notes, ANA)
    await world.launch(world.browser(BRUNO), wallboard, BRUNO)
    await world.launch(world.browser(CARLA), globex, CARLA)
    await world.talkdesk.user_logout(ANA)
    await eventually(lambda: not world.notes.signed_in, what="nobody is left in Notes")
    await eventually(lambda: users_of(world.wallboard) == sorted([BRUNO.id, CARLA.id]), what="two are left")


async def test_a_sign_on_that_began_later_lives(world: World) -> None:
    """A logout that comes late ends what was before it, not the person's new session."""
    installation = await world.install(ACME)
    browser = world.browser(ANA)
    await world.launch(browser, installation, ANA)
    began = world.talkdesk.state.clock()
    await world.talkdesk.user_logout(ANA, created_at=began - timedelta(hours=1))
    await world.talkdesk.user_logout(BRUNO)
    await eventually(lambda: no_task_is_due(world), what="both sign-outs are done")
    assert users_of(world.wallboard) == [ANA.id]


async def test_keycloak_being_down_delays_a_sign_out_and_loses_none(world: World, keycloak: KeycloakImitation) -> None:
    """The sessions live as long as it is down, so the task stays due."""
    installation = await world.install(ACME)
    await world.launch(world.browser(ANA), installation, ANA)
    await keycloak.down()
    await world.talkdesk.user_logout(ANA)
    await keycloak.up()
    await world.signed_out(world.wallboard)


async def test_a_sign_out_survives_a_restart_of_the_broker(world: World, keycloak: KeycloakImitation) -> None:
    """What was answered with 202 is on disk."""
    installation = await world.install(ACME)
    await world.launch(world.browser(ANA), installation, ANA)
    await keycloak.down()
    await world.talkdesk.user_logout(ANA)
    await world.broker.stop()
    await keycloak.up()
    assert users_of(world.wallboard) == [ANA.id]
    await world.broker.start()
    await world.signed_out(world.wallboard)


async def test_a_code_of_an_ended_sign_on_is_worth_nothing(world: World, keycloak: KeycloakImitation) -> None:
    """The sign-out arrives between the code and its redemption: nobody is in, and the next launch works."""
    installation = await world.install(ACME)
    browser = world.browser(ANA)
    path = f"/realms/talkdesk/broker/talkdesk-{installation.id}/endpoint"
    keycloak.fail(path, 503)
    stopped = await world.launch(browser, installation, ANA)
    assert stopped.status == 503
    await world.talkdesk.user_logout(ANA)
    await eventually(lambda: no_task_is_due(world), what="the sign-out is done")
    again = await browser.open(stopped.url)
    assert not world.wallboard.signed_in
    assert not keycloak.sessions()
    assert again.url.startswith(keycloak.url)


async def test_a_logout_that_names_an_unknown_id_is_matched_by_email(world: World) -> None:
    """Within the account only."""
    installation = await world.install(ACME)
    await world.launch(world.browser(ANA), installation, ANA)
    app = world.talkdesk.app("Wallboard")
    data = {
        "account_id": ACME.id,
        "user_id": "another-name-of-hers",
        "user_email": ANA.email.upper(),
        "installation_id": installation.id,
    }
    foreign = {**data, "account_id": GLOBEX.id}
    assert (await world.talkdesk.deliver(world.talkdesk.make_event("user.logout", app, foreign))).status == 403
    assert users_of(world.wallboard) == [ANA.id]
    await world.talkdesk.deliver(world.talkdesk.make_event("user.logout", app, data))
    await world.signed_out(world.wallboard)


async def test_who_is_on_no_record_is_signed_out_all_the_same(world: World) -> None:
    """As after a restored backup, which does not know who signed on since: Keycloak is asked by user."""
    installation = await world.install(ACME)
    await world.launch(world.browser(ANA), installation, ANA)
    await world.launch(world.browser(BRUNO), installation, BRUNO)
    database = world.broker.opened.stores.sign_ons._database  # type: ignore[attr-defined]
    await database.write(lambda connection: connection.execute(delete(schema.sign_on)))
    await world.talkdesk.user_logout(ANA)
    await eventually(lambda: users_of(world.wallboard) == [BRUNO.id], what="Ana is out, and nobody else")


async def test_an_uninstall_ends_sessions_first_and_the_identity_provider_after(
    world: World, keycloak: KeycloakImitation
) -> None:
    """Once it is gone its sessions are dead, and no app is ever told."""
    installation = await world.install(ACME)
    alias = await world.alias(installation)
    await world.launch(world.browser(ANA), installation, ANA)
    await world.talkdesk.uninstall(installation)
    await world.signed_out(world.wallboard)
    await eventually(lambda: alias not in keycloak.identity_providers, what="the identity provider is gone")
    paths = [request.path for request in keycloak.requests]
    assert paths.index(LOGOUT) < next(
        number
        for number, request in enumerate(keycloak.requests)
        if (request.method, request.path) == ("DELETE", f"{PROVIDERS}/{alias}")
    )
    await eventually(lambda: credentials_are_gone(world, installation.id), what="the credentials are erased")


async def test_every_answer_to_an_acknowledged_uninstall_is_enough(opened: OpenWorld) -> None:
    """Dead credentials mean that Talkdesk is done with it; the installation is forgotten all the same."""
    for answer in UninstallAnswer:
        async with opened(variants=Variants(uninstall_answer=answer)) as world:
            installation = await world.install(ACME)
            await world.talkdesk.uninstall(installation)
            await eventually(lambda: credentials_are_gone(world, installation.id), what=f"{answer}: erased")  # noqa: B023


async def test_an_app_that_is_installed_again_gets_a_new_alias_and_the_same_people(
    world: World, keycloak: KeycloakImitation
) -> None:
    """A used alias would break everybody who signed on before."""
    installation = await world.install(ACME)
    browser = world.browser(ANA)
    await world.launch(browser, installation, ANA)
    first_sub = world.wallboard.signed_in[0].claims["sub"]
    await world.talkdesk.uninstall(installation)
    await eventually(lambda: credentials_are_gone(world, installation.id), what="the credentials are erased")
    await world.talkdesk.install_again(installation)
    await world.talkdesk.until_answered(installation, InstallationState.APPROVED)
    assert await world.alias(installation) == f"talkdesk-{installation.id}-2"
    world.talkdesk.sign_in(browser, ANA)
    await world.launch(browser, installation, ANA)
    assert [each.claims["sub"] for each in world.wallboard.signed_in] == [first_sub]


async def no_task_is_due(world: World) -> bool:
    """As `nothing_is_due`, in the world's broker."""
    return await nothing_is_due(world.broker.opened.stores)


async def nothing_is_due(stores: Stores) -> bool:
    """Whether nothing is being done, and nothing left to do before a sign-out's second round, five seconds later."""

    async def is_at_rest() -> bool:
        return not {count.state for count in await stores.backlog.count()} & {"due", "running"}

    # Looked at twice, as what was waiting may be at work by the time that the next one is asked for.
    if not await is_at_rest():
        return False
    due = await stores.tasks.next_due()
    return (due is None or due > timedelta(seconds=1)) and await is_at_rest()


async def credentials_are_gone(world: World, installation_id: str) -> bool:
    """Whether the installation's credentials are erased."""
    found = await world.broker.opened.stores.installations.find(InstallationId(installation_id))
    return found is not None and found.credentials is None


async def test_the_record_of_a_sign_on_says_how_far_it_came(world: World) -> None:
    """Seen at the return of its launch, ended by the sign-out."""
    installation = await world.install(ACME)
    await world.launch(world.browser(ANA), installation, ANA)
    sign_ons = world.broker.opened.stores.sign_ons
    known = await sign_ons.of_person(AccountId(ACME.id), TalkdeskUserId(ANA.id))
    assert [each.state for each in known] == [SignOnState.SEEN]
    await world.talkdesk.user_logout(ANA)
    await world.signed_out(world.wallboard)
    ended = await sign_ons.find(known[0].id)
    assert ended is not None
    assert ended.state is SignOnState.ENDED
