"""What belongs to one installation brought to another one: states and codes of Talkdesk's, and our own codes, through a real flow each."""

from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from demo.browser import Browser
from demo.talkdesk import ACME, ANA, CARLA, GLOBEX, Endpoint, Installation, User
from tests.scenarios.test_sign_on import assert_recorded_page
from tests.world import World, users_of

pytestmark = pytest.mark.thorough

CALLBACK = "/talkdesk/callback"


async def stopped_before(world: World, browser: Browser, installation: Installation, user: User, path: str) -> str:
    """Launch, and keep the address at which the browser would come to `path`, unused."""
    url = world.talkdesk.launch_url(installation, user)
    return (await browser.open(url, on=world.talkdesk.url, stop_before=path)).url


def given(url: str) -> dict[str, str]:
    """Its parameters."""
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


@pytest.mark.parametrize("takes", ["code", "state"])
async def test_talkdesks_answer_for_one_account_is_nothing_at_another(world: World, takes: str) -> None:
    """Carla of Globex mixes: launch at Acme with the code of Globex, in one browser and with both of its cookies. Acme's token endpoint refuses."""
    acme, globex = await world.install(ACME), await world.install(GLOBEX)
    browser = world.browser(ANA)
    at_acme = await stopped_before(world, browser, acme, ANA, CALLBACK)
    world.talkdesk.sign_in(browser, CARLA)
    at_globex = await stopped_before(world, browser, globex, CARLA, CALLBACK)
    mixed = given(at_acme) | {takes: given(at_globex)[takes]}
    page = await browser.open(f"{world.broker.url}{CALLBACK}?{urlencode(mixed)}")
    assert page.status == 502
    failure = await world.broker.opened.stores.failures.find(assert_recorded_page(page))
    assert failure is not None
    assert (failure.reason, failure.upstream_status) == ("talkdesk_failed", 400)
    assert world.talkdesk.calls_to(Endpoint.TOKEN)[-1].status == 400, "asked with the code, once"
    assert not world.wallboard.signed_in


async def test_our_code_for_one_installation_is_nothing_at_another(world: World) -> None:
    """Through Keycloak, which asks the other issuer with it, as the other client. And it is used up: no second try at the right one."""
    acme, globex = await world.install(ACME), await world.install(GLOBEX)
    realm = urlsplit(world.realm.realm_url)
    paths = {each.id: f"{realm.path}/broker/{await world.alias(each)}/endpoint" for each in (acme, globex)}
    anas, carlas = world.browser(ANA), world.browser(CARLA)
    at_acme = await stopped_before(world, anas, acme, ANA, paths[acme.id])
    at_globex = await stopped_before(world, carlas, globex, CARLA, paths[globex.id])
    stolen = given(at_globex) | {"code": given(at_acme)["code"]}
    page = await carlas.open(f"{realm.scheme}://{realm.netloc}{paths[globex.id]}?{urlencode(stolen)}")
    assert page.url != f"{world.wallboard.url}/"
    assert not world.wallboard.signed_in
    await anas.open(at_acme)
    assert not world.wallboard.signed_in
    await world.launch(anas, acme, ANA)
    assert users_of(world.wallboard) == [ANA.id]
