"""The imitation of Keycloak: admin REST, driven by python-keycloak as the broker does (docs/keycloak.md "Identity provider")."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
import pytest_asyncio
from keycloak import KeycloakAdmin, KeycloakOpenIDConnection
from keycloak.exceptions import KeycloakError, KeycloakPostError

from demo.browser import Browser
from tests.scenarios.keycloak_imitation.counterparts import Counterparts, Json, token_answer

INSTANCES = "admin/realms/talkdesk/identity-provider/instances"


@pytest_asyncio.fixture
async def admin(desk: Counterparts) -> AsyncIterator[KeycloakAdmin]:
    """python-keycloak with the broker's service account."""
    connection = KeycloakOpenIDConnection(
        server_url=desk.keycloak.url,
        realm_name="talkdesk",
        client_id="talkdesk-broker",
        client_secret_key="secret-of-broker",
        grant_type="client_credentials",
        verify=False,
    )
    yield KeycloakAdmin(connection=connection)
    await connection.async_s.aclose()  # its own aclose() forgets this one
    await connection.keycloak_openid.connection.async_s.aclose()


async def test_provider_comes_back_as_it_was_sent(desk: Counterparts, admin: KeycloakAdmin) -> None:
    """With `internalId` and `types` added, unknown `config` keys kept, booleans as text, empty values gone."""
    sent = desk.representation("new")
    sent["config"] |= {"ours": "kept", "useJwksUrl": True, "empty": "", "nothing": None}

    await admin.a_create_idp(sent)

    found: Json = await admin.a_get_idp("new")
    assert found.pop("internalId")
    assert found.pop("types")
    kept = {name: value for name, value in sent["config"].items() if value} | {"useJwksUrl": "true"}
    assert found == sent | {"config": kept}


async def test_alias_can_be_taken_once(desk: Counterparts, admin: KeycloakAdmin) -> None:
    """409, and the first one stays."""
    with pytest.raises(KeycloakPostError) as raised:
        await admin.a_create_idp(desk.representation(displayName="Other"))

    assert raised.value.response_code == 409
    assert desk.keycloak.identity_providers["talkdesk-one"].sent["displayName"] == "Talkdesk"


async def test_put_replaces(desk: Counterparts, admin: KeycloakAdmin) -> None:
    """What is left out is gone; the internal id stays."""
    before = desk.keycloak.identity_providers["talkdesk-one"].internal_id
    sent = {"alias": "talkdesk-one", "providerId": "oidc", "config": {"issuer": desk.issuer}}

    await admin.a_update_idp("talkdesk-one", {**sent, "internalId": "other", "types": []})

    provider = desk.keycloak.identity_providers["talkdesk-one"]
    assert (provider.sent, provider.internal_id) == (sent, before)


async def test_mappers_come_and_go(admin: KeycloakAdmin) -> None:
    """POST, GET, PUT with the id in the body, DELETE."""
    path = f"{INSTANCES}/talkdesk-one/mappers"
    mapper = {"name": "two", "identityProviderMapper": "hardcoded", "config": {"syncMode": "FORCE"}}

    await admin.a_add_mapper_to_idp("talkdesk-one", mapper)
    (found,) = [each for each in await admin.a_get_idp_mappers("talkdesk-one") if each["name"] == "two"]
    changed = {**found, "config": {"syncMode": "IMPORT"}}
    await admin.a_update_mapper_in_idp("talkdesk-one", found["id"], changed)

    assert changed in await admin.a_get_idp_mappers("talkdesk-one")
    without_id = json.dumps({name: value for name, value in changed.items() if name != "id"})
    assert (await admin.connection.a_raw_put(f"{path}/{found['id']}", data=without_id)).status_code == 500
    assert (await admin.connection.a_raw_post(path, data=json.dumps(mapper))).status_code == 400
    assert (await admin.connection.a_raw_delete(f"{path}/{found['id']}")).status_code == 204
    assert (await admin.connection.a_raw_delete(f"{path}/{found['id']}")).status_code == 404


async def test_listing_has_pages_of_a_hundred(desk: Counterparts, admin: KeycloakAdmin) -> None:
    """`first` and `max` reach the rest; brief is ids, names and whether it is enabled."""
    for number in range(100):
        await admin.a_create_idp(desk.representation(f"more-{number:03}"))

    rest = await admin.connection.a_raw_get(INSTANCES, first=100, max=10, briefRepresentation="true")

    assert len(await admin.a_get_idps()) == 100
    assert [sorted(each) for each in rest.json()] == [["alias", "displayName", "enabled", "internalId", "providerId"]]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"unknown": 1}, 400),
        ({"alias": ""}, 400),
        ({"config": {"tokenUrl": "no address"}}, 400),
        ({"config": {"nested": {}}}, 400),
        ({"firstBrokerLoginFlowAlias": "unknown"}, 500),
        ({"displayName": "x" * 256}, 500),
    ],
)
async def test_bad_representation_is_refused(
    desk: Counterparts, admin: KeycloakAdmin, changes: Json, status: int
) -> None:
    """Nothing is kept of it."""
    with pytest.raises(KeycloakError) as raised:
        await admin.a_create_idp({**desk.representation("new"), **changes})

    assert raised.value.response_code == status
    assert list(desk.keycloak.identity_providers) == ["talkdesk-one"]


async def test_alias_can_not_be_changed(desk: Counterparts, admin: KeycloakAdmin) -> None:
    """400, as from 26.7 on."""
    with pytest.raises(KeycloakError) as raised:
        await admin.a_update_idp("talkdesk-one", desk.representation("other"))

    assert raised.value.response_code == 400


async def test_deleted_provider_is_missing(admin: KeycloakAdmin) -> None:
    """404 for all that asks for it afterwards."""
    await admin.a_delete_idp("talkdesk-one")

    for path in (f"{INSTANCES}/talkdesk-one", f"{INSTANCES}/talkdesk-one/mappers"):
        assert (await admin.connection.a_raw_get(path)).status_code == 404


async def test_token_of_the_service_account_lives_five_minutes(desk: Counterparts, admin: KeycloakAdmin) -> None:
    """Then it is refused, which python-keycloak mends with a new one."""
    await admin.connection.a_raw_get(INSTANCES)
    desk.clock.ahead = timedelta(seconds=301)
    await admin.connection.a_raw_get(INSTANCES)

    assert [each.status for each in desk.keycloak.requests if each.path.startswith("/admin")] == [200, 401, 200]


async def test_admin_calls_need_the_role(desk: Counterparts, browser: Browser) -> None:
    """401 without a token or with a forged one, 403 with an app's."""
    page = await desk.launch(browser)
    answer = (await token_answer(desk, page)).json()
    assert (await desk.http.get(f"{desk.keycloak.url}/{INSTANCES}")).status_code == 401
    for token, status in (("forged", 401), (answer["id_token"], 401), (answer["access_token"], 403)):
        headers = {"Authorization": f"Bearer {token}"}
        assert (await desk.http.get(f"{desk.keycloak.url}/{INSTANCES}", headers=headers)).status_code == status
