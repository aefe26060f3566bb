"""Installations that are closed for a while: by the operator, or because a trial has ended."""

from datetime import UTC, datetime

import pytest

from broker.model.installation import Closure
from broker.model.names import InstallationId
from demo.talkdesk import ACME, ANA, WALLBOARD_ID, Installation, InstallationState
from tests.fakes.keycloak import KeycloakImitation
from tests.scenarios.test_licences import reasons
from tests.scenarios.test_sign_out import no_task_is_due
from tests.waiting import eventually
from tests.world import OpenWorld, World, users_of

pytestmark = pytest.mark.thorough


async def closure(world: World, installation: Installation) -> Closure | None:
    """Why the broker lets nobody in."""
    return (await world.state_of(installation)).closure


async def suspend(world: World, installation: Installation) -> None:
    """As the command line does."""
    stores = world.broker.opened.stores
    assert await stores.installations.suspend(InstallationId(installation.id), datetime.now(UTC))


async def resume(world: World, installation: Installation) -> None:
    """As the command line does."""
    stores = world.broker.opened.stores
    assert await stores.installations.resume(InstallationId(installation.id), datetime.now(UTC))


async def test_a_suspension_ends_sessions_and_lets_nobody_in(world: World, keycloak: KeycloakImitation) -> None:
    """The identity provider stays as it is; afterwards everything is as before, under the same alias."""
    installation = await world.install(ACME)
    alias = await world.alias(installation)
    await world.launch(world.browser(ANA), installation, ANA)
    writes = len([each for each in keycloak.writes() if "identity-provider" in each.path])
    await suspend(world, installation)
    await world.signed_out(world.wallboard)
    page = await world.launch(world.browser(ANA), installation, ANA)
    assert page.status == 403
    assert "suspended" in page.text
    assert await reasons(world) == ["installation_suspended"]
    await resume(world, installation)
    page = await world.launch(world.browser(ANA), installation, ANA)
    assert page.url == f"{world.wallboard.url}/", page.text
    assert await world.alias(installation) == alias
    assert len([each for each in keycloak.writes() if "identity-provider" in each.path]) == writes


async def test_a_suspension_in_mid_sign_on_is_seen_at_the_callback(world: World) -> None:
    """The trip to Talkdesk began while the door was open."""
    installation = await world.install(ACME)
    browser = world.browser(None)
    page = await world.launch(browser, installation, ANA)
    await suspend(world, installation)
    world.talkdesk.sign_in(browser, ANA)
    assert (await browser.open(page.url)).status == 403
    assert not world.wallboard.signed_in


async def test_a_code_of_a_suspended_installation_is_worth_nothing(world: World, keycloak: KeycloakImitation) -> None:
    """The issuer's token endpoint refuses, whatever was let through before."""
    installation = await world.install(ACME)
    browser = world.browser(ANA)
    keycloak.fail(f"/realms/talkdesk/broker/talkdesk-{installation.id}/endpoint", 503)
    stopped = await world.launch(browser, installation, ANA)
    assert stopped.status == 503
    await suspend(world, installation)
    await browser.open(stopped.url)
    assert not world.wallboard.signed_in
    assert not keycloak.sessions()


async def test_a_suspended_installation_is_approved_all_the_same(world: World) -> None:
    """Suspension is between vendor and customer: a reject would make the customer install again after it."""
    installation = await world.install(ACME)
    await suspend(world, installation)
    await world.talkdesk.update(installation, subscription="Pro")
    await eventually(lambda: installation.state is InstallationState.APPROVED, what="the update is approved")


async def test_a_suspension_outlives_a_new_install(world: World) -> None:
    """The operator's word stands until he takes it back."""
    installation = await world.install(ACME)
    await suspend(world, installation)
    await world.talkdesk.uninstall(installation)
    await eventually(lambda: no_task_is_due(world), what="the uninstall is carried out")
    await world.later()
    await world.talkdesk.install_again(installation)
    await world.talkdesk.until_answered(installation)
    assert await closure(world, installation) is Closure.SUSPENDED


@pytest.mark.parametrize("policy", ["keep", "suspend"])
async def test_a_trial_that_expired_is_kept_or_suspended_as_the_app_says(opened: OpenWorld, policy: str) -> None:
    """Keep is the default; a plan that is upgraded opens the door again."""
    async with opened() as world:
        set_policy(world, policy)
        await world.broker.stop()
        await world.broker.start()
        installation = await world.install(ACME)
        await world.talkdesk.start_trial(installation)
        await world.launch(world.browser(ANA), installation, ANA)
        await world.talkdesk.end_trial(installation)
        page = await world.launch(world.browser(ANA), installation, ANA)
        if policy == "keep":
            assert page.url == f"{world.wallboard.url}/", page.text
            return
        assert page.status == 403
        assert "trial" in page.text
        await world.signed_out(world.wallboard)
        await world.later()
        await world.talkdesk.end_trial(installation, reason="plan_upgraded", ended_by="user")
        await world.launch(world.browser(ANA), installation, ANA)
        assert users_of(world.wallboard) == [ANA.id]


async def test_an_upgrade_does_not_undo_what_the_operator_said(opened: OpenWorld) -> None:
    """It lifts what the expiry had closed, and nothing else."""
    async with opened() as world:
        installation = await world.install(ACME)
        await suspend(world, installation)
        await world.talkdesk.end_trial(installation, reason="plan_upgraded")
        assert await closure(world, installation) is Closure.SUSPENDED


def set_policy(world: World, policy: str) -> None:
    """Say in CONFIG_FILE what becomes of an expired trial; read at the next start."""
    config = world.broker.config
    apps = tuple(
        app.model_copy(update={"on_trial_expired": policy}) if app.id == WALLBOARD_ID else app for app in config.apps
    )
    world.broker.config = config.model_copy(update={"apps": apps})
