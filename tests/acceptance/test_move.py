"""`PUBLIC_URL` moves, step by step as docs/operations.md says ("Move `PUBLIC_URL`"), on a real Keycloak."""

from pathlib import Path

from demo.talkdesk import ACME, ANA, BRUNO, apps_at
from tests.acceptance.keycloak_server import RunningKeycloak
from tests.acceptance.operated import operated
from tests.kept_data import kept_in_sqlite
from tests.waiting import eventually
from tests.world import users_of


async def test_the_public_address_moves_and_people_sign_on_and_out(tmp_path: Path, keycloak: RunningKeycloak) -> None:
    """Who is signed on stays so, is signed out, and arrives anew; Keycloak's client, texts, relays and identity providers follow."""
    async with operated(tmp_path, keycloak, kept_in_sqlite(tmp_path), relayed=True) as service:
        await service.broker.start()
        installation = await service.install(ACME)
        ana = service.browser(ANA)
        assert (await service.launch(installation, ANA, ana)).url == f"{service.wallboard.url}/"

        # 1. The new name leads to the same place. 2. Talkdesk's partner portal.
        new = service.broker.url.replace("127.0.0.1", "localhost")
        for app in apps_at(new):
            service.talkdesk.register(app)
        # 3. The setting, and a start.
        await service.broker.stop()
        service.settings["BROKER_PUBLIC_URL"] = new
        await service.broker.start()
        administrator = {
            "BROKER_ADMIN_USERNAME": keycloak.admin_username,
            "BROKER_ADMIN_PASSWORD": keycloak.admin_password,
        }
        before = await service.check(administrator)
        assert {before[name]["verdict"] for name in ("launches", "realm")} == {"wrong"}
        # 4. The realm. 5. The identity providers.
        await service.command("realm", "apply", "--yes", more=administrator)
        [repaired] = await service.objects("reconcile")
        assert (repaired["finding"], repaired["what"]) == ("changed", "repaired")
        # 6.
        found = await service.check(administrator)
        assert {name: line["found"] for name, line in found.items() if line["verdict"] == "wrong"} == {}
        assert await _addresses_in(keycloak) == {
            f"{new}/launch/return",
            f"{new}/launch/resume",
            f"{new}/relay/wallboard",
        }

        # Sessions went on; a sign-out reaches them, and the app through its relay; who comes now comes by the new address.
        assert users_of(service.wallboard) == [ANA.id]
        await service.until_arrives(installation, BRUNO)
        await service.talkdesk.user_logout(ANA)
        await eventually(lambda: users_of(service.wallboard) == [BRUNO.id], what="Ana is out")
        [ended] = await service.objects("logouts", "list", "--user", ANA.id)
        assert (ended["sign_ons"], ended["confirmed"], ended["problem"]) == (1, 1, None)
        service.talkdesk.sign_in(ana, ANA)
        page = await service.launch(installation, ANA, ana)
        assert page.url == f"{service.wallboard.url}/"
        assert not any(url.startswith(service.broker.url) for url in page.chain)


async def _addresses_in(keycloak: RunningKeycloak) -> set[str]:
    """Of the broker, as the realm has them."""
    async with keycloak.admin() as admin:
        text = (await admin.get("localization/en")).raise_for_status().json()["talkdeskResumeUrl"]
        (launch,) = (await admin.get("clients", params={"clientId": "talkdesk-launch"})).raise_for_status().json()
        (app,) = (await admin.get("clients", params={"clientId": "wallboard"})).raise_for_status().json()
    return {text, *launch["redirectUris"], app["attributes"]["backchannel.logout.url"]}
