"""Events out of order, and answers that are stuck: the examples of the promise that each event counts once."""

from broker.model.installation import Closure
from broker.model.task import TaskKind
from broker.worker import PLACES
from demo.talkdesk import ACME, ANA, GLOBEX, Endpoint, Silence
from tests.fakes.keycloak import KeycloakImitation
from tests.scenarios.test_sign_out import credentials_are_gone, no_task_is_due
from tests.waiting import eventually
from tests.world import World, users_of


async def test_an_old_install_after_its_uninstall_does_nothing(world: World, keycloak: KeycloakImitation) -> None:
    """Nothing in Keycloak, nothing said to Talkdesk, and the secrets that it brought are forgotten."""
    installation = await world.talkdesk.install(ACME, world.talkdesk.app("Wallboard"), deliver=False)
    await world.later()
    await world.talkdesk.uninstall(installation)
    await eventually(lambda: no_task_is_due(world), what="the uninstall is carried out")
    await world.talkdesk.deliver(installation.deliveries[0].event)
    await eventually(lambda: credentials_are_gone(world, installation.id), what="the credentials are erased")
    await eventually(lambda: no_task_is_due(world), what="nothing is left to do")
    assert (await world.state_of(installation)).closure is Closure.UNINSTALLED
    assert keycloak.identity_providers == {}
    assert not world.talkdesk.calls_to(Endpoint.STATE)


async def test_an_uninstall_of_what_was_never_set_up_signs_everybody_out(world: World) -> None:
    """As any uninstall does: people of that account, signed on through another app, are out, though its install was never heard of."""
    await world.launch(world.browser(ANA), await world.install(ACME), ANA)
    never_heard_of = await world.talkdesk.install(ACME, world.talkdesk.app("Notes"), deliver=False)
    await world.another_second()
    await world.talkdesk.uninstall(never_heard_of)
    await world.signed_out(world.wallboard)


async def test_an_uninstall_of_a_former_installation_leaves_the_new_one_alone(world: World) -> None:
    """It comes after the new install, and is older: the person in it stays in it."""
    installation = await world.install(ACME)
    uninstall = await world.talkdesk.uninstall(installation, deliver=False)
    await world.later()
    await world.talkdesk.install_again(installation)
    await world.talkdesk.until_answered(installation)
    await world.launch(world.browser(ANA), installation, ANA)
    alias = await world.alias(installation)
    await world.talkdesk.deliver(uninstall.event)
    await eventually(lambda: no_task_is_due(world), what="nothing is left to do")
    assert users_of(world.wallboard) == [ANA.id]
    assert await world.alias(installation) == alias
    known = await world.state_of(installation)
    assert known.is_active
    assert known.credentials is not None


async def test_a_stuck_answer_delays_no_sign_out(world: World) -> None:
    """Talkdesk hangs on more answers than there are places, and on the daily check; the sign-out goes through meanwhile."""
    installation = await world.install(ACME)
    await world.launch(world.browser(ANA), installation, ANA)
    world.talkdesk.faults.next(Endpoint.STATE, Silence.HANG, times=50)
    for _ in range(PLACES[TaskKind.ANSWER] + 1):
        await world.talkdesk.install(GLOBEX, world.talkdesk.app("Notes"))
    await eventually(
        lambda: len(world.talkdesk.faults._waiting[Endpoint.STATE]) <= 50 - PLACES[TaskKind.ANSWER],
        what="every place of answers hangs",
    )
    answered = len(world.talkdesk.calls_to(Endpoint.STATE))
    await world.talkdesk.user_logout(ANA)
    await world.signed_out(world.wallboard)
    assert len(world.talkdesk.calls_to(Endpoint.STATE)) == answered, "the answers were still hanging"
    world.talkdesk.faults.clear()
