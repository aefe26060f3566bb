"""Sign-on from every starting point: the right person, or a page that helps."""

import pytest

from broker.model.names import InstallationId
from demo.browser import Page
from demo.talkdesk import ACME, ANA, BRUNO, CARLA, GLOBEX, Endpoint, Silence, Variants
from demo.talkdesk.variants import IdToken, KeyAlgorithm, Pkce, TokenLink, UserinfoForm
from tests.fakes.keycloak import KeycloakImitation
from tests.waiting import eventually
from tests.world import OpenWorld, World, users_of

pytestmark = pytest.mark.thorough


def trips(world: World) -> int:
    """How often a browser was at Talkdesk's authorization endpoint."""
    return len(world.talkdesk.calls_to(Endpoint.AUTHORIZE))


@pytest.mark.parametrize(
    "variants",
    [
        *(Variants(key_algorithm=algorithm) for algorithm in KeyAlgorithm),
        *(Variants(userinfo=form) for form in UserinfoForm),
        *(Variants(pkce=pkce) for pkce in Pkce),
        *(Variants(id_token=form) for form in IdToken),
        *(Variants(token_link=link) for link in TokenLink),
    ],
    ids=str,
)
async def test_every_reading_of_the_protocol_signs_on_and_out(opened: OpenWorld, variants: Variants) -> None:
    """What the documentation leaves open is taken either way, from the install to the sign-out."""
    async with opened(variants=variants) as world:
        installation = await world.install(ACME)
        page = await world.launch(world.browser(ANA), installation, ANA)
        assert page.url == f"{world.wallboard.url}/"
        await world.talkdesk.user_logout(ANA)
        await world.signed_out(world.wallboard)


async def test_the_own_session_needs_no_trip_to_talkdesk(world: World) -> None:
    """The hint names the person of the session: it saves a trip, and nothing else."""
    installation = await world.install(ACME)
    browser = world.browser(ANA)
    await world.launch(browser, installation, ANA)
    before = trips(world)
    page = await world.launch(browser, installation, ANA)
    assert page.url == f"{world.wallboard.url}/"
    assert trips(world) == before


async def test_a_session_begun_through_another_app_of_the_account_is_the_same_person(world: World) -> None:
    """Two apps, one Keycloak user: each app keeps its `sub`."""
    wallboard, notes = await world.install(ACME), await world.install(ACME, "Notes")
    browser = world.browser(ANA)
    await world.launch(browser, wallboard, ANA)
    before = trips(world)
    page = await world.launch(browser, notes, ANA)
    assert page.url == f"{world.notes.url}/"
    assert trips(world) == before
    assert [each.claims["sub"] for each in world.notes.signed_in] == [
        each.claims["sub"] for each in world.wallboard.signed_in
    ]


async def test_without_a_hint_talkdesk_is_asked(world: World) -> None:
    """Nothing is believed that nobody said."""
    installation = await world.install(ACME)
    browser = world.browser(ANA)
    await world.launch(browser, installation, ANA)
    before = trips(world)
    url = world.talkdesk.launch_url(installation, ANA).partition("&talkdesk_user_id")[0]
    page = await browser.open(url)
    assert page.url == f"{world.wallboard.url}/"
    assert trips(world) == before + 1
    assert users_of(world.wallboard) == [ANA.id]


async def test_a_forged_hint_makes_nobody_somebody_else(world: World) -> None:
    """Ana's browser, a link with Bruno's id: Talkdesk is asked, it is Ana, and her session goes on."""
    installation = await world.install(ACME)
    browser = world.browser(ANA)
    await world.launch(browser, installation, ANA)
    first_sid = world.wallboard.signed_in[0].claims["sid"]
    page = await world.launch(browser, installation, BRUNO)
    assert "Ana" in page.text
    assert users_of(world.wallboard) == [ANA.id]
    assert world.wallboard.signed_in[0].claims["sid"] == first_sid


async def test_a_link_to_another_account_ends_nothing_before_talkdesk_has_spoken(world: World) -> None:
    """An attacker's installation, opened in Ana's browser: Talkdesk says no, and Ana's session lives."""
    installation = await world.install(ACME)
    attackers = await world.install(GLOBEX)
    browser = world.browser(ANA)
    await world.launch(browser, installation, ANA)
    world.talkdesk.refuse_next_authorization()
    page = await world.launch(browser, attackers, CARLA)
    assert page.status == 403
    assert_recorded_page(page)
    assert users_of(world.wallboard) == [ANA.id]


async def test_a_person_of_another_account_at_the_same_browser(world: World) -> None:
    """Carla of Globex after Ana of Acme: Ana's session ends, in both apps, and Carla is in."""
    ana_wallboard, ana_notes = await world.install(ACME), await world.install(ACME, "Notes")
    carlas = await world.install(GLOBEX)
    browser = world.browser(ANA)
    await world.launch(browser, ana_wallboard, ANA)
    await world.launch(browser, ana_notes, ANA)
    world.talkdesk.sign_in(browser, CARLA)
    page = await world.launch(browser, carlas, CARLA)
    assert "Carla" in page.text
    await eventually(lambda: not world.notes.signed_in, what="Ana is out of Notes")
    assert users_of(world.wallboard) == [CARLA.id]


async def test_the_other_persons_session_elsewhere_lives_on(world: World) -> None:
    """Ana has two browsers; Bruno takes over one of them."""
    installation = await world.install(ACME)
    one, other = world.browser(ANA), world.browser(ANA)
    await world.launch(one, installation, ANA)
    await world.launch(other, installation, ANA)
    world.talkdesk.sign_in(one, BRUNO)
    await world.launch(one, installation, BRUNO)
    assert users_of(world.wallboard) == sorted([ANA.id, BRUNO.id])


async def test_after_a_sign_out_the_next_launch_is_clean(world: World) -> None:
    """Cookies are still there; the session is not."""
    installation = await world.install(ACME)
    browser = world.browser(ANA)
    await world.launch(browser, installation, ANA)
    await world.talkdesk.user_logout(ANA)
    await world.signed_out(world.wallboard)
    world.talkdesk.sign_in(browser, BRUNO)
    page = await world.launch(browser, installation, BRUNO)
    assert "Bruno" in page.text


async def test_a_session_that_is_not_ours_is_left_alone(world: World, keycloak: KeycloakImitation) -> None:
    """We end no session that we did not open: a page says so. (A company sign-in leaves no notes of ours.)"""
    installation = await world.install(ACME)
    browser = world.browser(ANA)
    await world.launch(browser, installation, ANA)
    keycloak.sessions()[0].notes.clear()
    page = await world.launch(browser, installation, ANA)
    assert page.status == 409
    assert_recorded_page(page)
    assert len(keycloak.sessions()) == 1


async def test_a_launch_waits_for_an_installation_that_is_being_set_up(
    world: World, keycloak: KeycloakImitation
) -> None:
    """The page comes back by itself until the identity provider is there."""
    keycloak.fail("/admin/", 503, times=2)
    installation = await world.talkdesk.install(ACME, world.talkdesk.app("Wallboard"))
    page = await world.launch(world.browser(ANA), installation, ANA)
    assert page.url == f"{world.wallboard.url}/"
    assert any("talkdesk_installation_id" in url for url in page.chain[1:]), "it came back at least once"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("", 400),
        ("talkdesk_installation_id=", 400),
        ("talkdesk_installation_id=" + "x" * 256, 400),
        ("talkdesk_installation_id=a%0Ab", 400),
        ("talkdesk_installation_id=a&talkdesk_installation_id=b", 400),
        ("talkdesk_installation_id=unknown", 404),
        ("talkdesk_installation_id=%3Cscript%3E", 404),
    ],
)
async def test_a_launch_that_names_no_installation_gets_a_page(world: World, query: str, status: int) -> None:
    """And a record under the page's reference."""
    page = await world.browser().open(f"{world.broker.url}/talkdesk/launch?{query}")
    assert page.status == status
    assert "<script>" not in page.text
    reference = assert_recorded_page(page)
    failure = await world.broker.opened.stores.failures.find(reference)
    assert failure is not None
    assert failure.stage.value == "launch"


async def test_who_comes_without_talkdesk_launches_again_where_this_browser_launched_last(world: World) -> None:
    """The morning after, from a bookmark: Keycloak's page sends the browser here."""
    installation = await world.install(ACME)
    browser = world.browser(ANA)
    await world.launch(browser, installation, ANA)
    page = await browser.open(f"{world.broker.url}/launch/resume")
    assert page.url == f"{world.wallboard.url}/"
    elsewhere = await world.browser(ANA).open(f"{world.broker.url}/launch/resume")
    assert elsewhere.status == 404
    assert "Go to Talkdesk" in elsewhere.text


async def test_an_uninstalled_app_is_a_closed_door(world: World) -> None:
    """Found before Keycloak is asked; never its password form."""
    installation = await world.install(ACME)
    await world.talkdesk.uninstall(installation)
    page = await world.launch(world.browser(ANA), installation, ANA)
    assert page.status == 403
    assert_recorded_page(page)


async def test_a_page_has_the_apps_name_and_its_contact(world: World) -> None:
    """The person may not know what a broker is."""
    installation = await world.install(ACME)
    world.talkdesk.refuse_next_authorization()
    page = await world.launch(world.browser(ANA), installation, ANA)
    assert "Wallboard could not be opened" in page.text
    assert "help@example.com" in page.text


@pytest.mark.parametrize("endpoint", [Endpoint.TOKEN, Endpoint.USERINFO])
async def test_talkdesk_failing_is_a_page_and_a_record(world: World, endpoint: Endpoint) -> None:
    """With Talkdesk's status for support; the next launch works."""
    installation = await world.install(ACME)
    browser = world.browser(ANA)
    world.talkdesk.faults.next(endpoint, 500)
    page = await world.launch(browser, installation, ANA)
    assert page.status == 502
    failure = await world.broker.opened.stores.failures.find(assert_recorded_page(page))
    assert failure is not None
    assert (failure.reason, failure.upstream_status) == ("talkdesk_failed", 500)
    assert failure.installation == InstallationId(installation.id)
    assert (await world.launch(browser, installation, ANA)).url == f"{world.wallboard.url}/"


@pytest.mark.parametrize("endpoint", [Endpoint.TOKEN, Endpoint.USERINFO])
async def test_talkdesk_is_asked_once_more_where_it_did_not_answer(world: World, endpoint: Endpoint) -> None:
    """With another code, since the first one may be spent; a second silence is a page, and a record."""
    installation = await world.install(ACME)
    browser = world.browser(ANA)
    world.talkdesk.faults.next(endpoint, Silence.DROP)
    page = await world.launch(browser, installation, ANA)
    assert page.url == f"{world.wallboard.url}/"
    assert users_of(world.wallboard) == [ANA.id]
    assert trips(world) == 2

    world.talkdesk.faults.next(endpoint, Silence.DROP, times=2)
    page = await world.launch(world.browser(BRUNO), installation, BRUNO)
    assert page.status == 502
    failure = await world.broker.opened.stores.failures.find(assert_recorded_page(page))
    assert failure is not None
    assert (failure.reason, failure.upstream_status) == ("talkdesk_failed", None)


async def test_keycloak_failing_is_a_page_and_a_record(world: World, keycloak: KeycloakImitation) -> None:
    """At the return of a launch."""
    installation = await world.install(ACME)
    browser = world.browser(ANA)
    await world.launch(browser, installation, ANA)
    keycloak.fail("/realms/talkdesk/protocol/openid-connect/token", 500)
    page = await world.launch(browser, installation, ANA)
    assert page.status == 502
    failure = await world.broker.opened.stores.failures.find(assert_recorded_page(page))
    assert failure is not None
    assert (failure.reason, failure.upstream_status) == ("keycloak_failed", 500)


def assert_recorded_page(page: Page) -> str:
    """It is our error page, with a reference, which is given."""
    assert "could not be opened" in page.text
    _, _, rest = page.text.partition('<dd class="reference">')
    reference = rest.partition("</dd>")[0]
    assert len(reference) == 11
    return reference
