"""An enterprise's realm through all of it: `realm apply`, install, sign-on, sign-out, uninstall. Everything foreign stays as it was."""

import asyncio
from pathlib import Path

import httpx

from demo.talkdesk import ACME, ANA, BRUNO
from tests.acceptance.existing.conftest import RealCompany
from tests.acceptance.existing.foreign import ENTRA, foreign_parts
from tests.acceptance.keycloak_server import AdminToken
from tests.acceptance.realm_commands import RealmCommands
from tests.company import config, sign_in_at
from tests.scenarios.existing.test_existing_users import assert_stopped, subs_at
from tests.waiting import eventually
from tests.world import World


async def test_everything_foreign_is_as_before(world: World, company: RealCompany) -> None:
    """Settings, flows, clients, scopes, identity providers, components, roles, profile; of people their data, links and ways in."""
    ana = await company.add_user("a.sousa", ANA.email, attributes={"talkdeskUserId": "from before"})
    nobody = await company.add_user("n.mail", None)
    await link_to_entra(company, ana)
    people = {each: await company.everything_of(each) for each in (ana, nobody)}

    installation = await world.install(ACME)
    await world.launch(world.browser(ANA), installation, ANA)
    assert subs_at(world) == [ana]
    await world.another_second()
    await world.talkdesk.user_logout(ANA)
    await world.signed_out(world.wallboard)
    await assert_stopped(world, await world.launch(world.browser(BRUNO), installation, BRUNO), 403, "user_not_found")
    await sign_in_at(world.wallboard, world, world.browser(None), ANA.email)
    assert subs_at(world) == [ana]
    alias = await world.alias(installation)
    assert alias is not None
    await world.talkdesk.uninstall(installation)
    await eventually(lambda: is_gone(company, alias), what="the identity provider is gone")

    assert {each: await company.everything_of(each) for each in (ana, nobody)} == people
    assert await company.links_of(ana) == {ENTRA: "ana-at-entra"}
    now, before = foreign_now(company), company.before
    for part, was in before.items():
        added = ("wallboard", "notes") if part == "clients" else ()  # the apps, which this test has registered
        assert without(now[part], *added) == was, part


def test_a_broker_that_moved_is_one_change_and_nobody_else_makes_it(company: RealCompany, tmp_path: Path) -> None:
    """It is asked for, by an account that Keycloak takes, with the password from a file; then there is nothing left to do."""
    commands = RealmCommands(company, users="existing", config=config(), public_url="http://127.0.0.1:10")
    assert "There is no" not in commands.run("apply", exit_code=1, answer="n\n")
    (change,) = (each for each in commands.plan() if each["what"] == "change")
    assert (change["name"], change["differences"][0]["field"]) == ("talkdesk-launch", "redirectUris")
    password = tmp_path / "password"
    password.write_text("not this one")
    told = commands.run("apply", "--yes", f"--admin-password-file={password}", exit_code=1)
    assert "Keycloak does not take the account admin of the realm master, or its password." in told
    assert "not this one" not in told
    password.write_text(f"{company.admin_password}\n")
    commands.run("apply", "--yes", f"--admin-password-file={password}")
    said = commands.plan(is_empty=True)
    assert {each["code"] for each in said} == {"email_editable", "profile_incomplete"}


async def test_a_flow_that_was_bent_is_mended_in_place(company: RealCompany) -> None:
    """Identity providers name it: it keeps its identity, and the administrator's choice of a role stays."""
    flow = "authentication/flows/talkdesk%20first%20login/executions"
    async with company.admin() as admin:
        before = (await admin.get(flow)).raise_for_status().json()
        detect, link, role = (each for each in before if each["level"] == 0)
        for changed in (link | {"requirement": "DISABLED", "priority": 5}, role | {"requirement": "CONDITIONAL"}):
            (await admin.put(flow, json=changed)).raise_for_status()
        (await admin.delete(f"authentication/executions/{detect['id']}")).raise_for_status()
        commands = RealmCommands(company, users="existing", config=config(), public_url="http://127.0.0.1:10")
        await asyncio.to_thread(commands.run, "apply", "--yes")
        after = (await admin.get(flow)).raise_for_status().json()
        assert [(each["displayName"], each["requirement"]) for each in after if each["level"] == 0] == [
            (detect["displayName"], "REQUIRED"),
            (link["displayName"], "REQUIRED"),
            (role["displayName"], "CONDITIONAL"),
        ]
        (mended,) = (each for each in after if each["displayName"] == role["displayName"])
        (await admin.put(flow, json=mended | {"requirement": "DISABLED"})).raise_for_status()
        assert mended["flowId"] == role["flowId"]


async def link_to_entra(company: RealCompany, user: str) -> None:
    """Somebody who signs on through another identity provider of the company's, too."""
    link = {"userId": "ana-at-entra", "userName": "ana"}
    async with company.admin() as admin:
        (await admin.post(f"users/{user}/federated-identity/{ENTRA}", json=link)).raise_for_status()


async def is_gone(company: RealCompany, alias: str) -> bool:
    """Whether the realm has no identity provider of this name."""
    async with company.admin() as admin:
        return (await admin.get(f"identity-provider/instances/{alias}")).status_code == 404


def foreign_now(company: RealCompany) -> dict[str, object]:
    """What is there now that is not ours."""
    token = AdminToken(company.url, company.admin_username, company.admin_password)
    with httpx.Client(auth=token, timeout=60, trust_env=False, base_url=f"{company.admin_url}/") as admin:
        return dict(foreign_parts(admin))


def without(part: object, *names: str) -> object:
    """The part without those."""
    return {name: each for name, each in part.items() if name not in names} if isinstance(part, dict) else part
