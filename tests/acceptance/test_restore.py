"""A day-old backup is restored on a real Keycloak: nothing is deleted, what can come back does, and what can't is listed.

What docs/operations.md says of it ("What a restore to yesterday means") is what is seen here, row by row.
"""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine, make_url, text

from broker.model.names import InstallationId, alias_of, slug_of
from demo.talkdesk import ACME, ANA, BRUNO, CARLA, GLOBEX, Installation
from tests.acceptance.keycloak_server import RunningKeycloak
from tests.acceptance.operated import Operated, operated
from tests.kept_data import kept_in_postgresql, kept_in_sqlite
from tests.postgresql_server import PostgresqlServer, plain, program
from tests.waiting import eventually
from tests.world import users_of

A_DAY_MS = 24 * 60 * 60 * 1000


@dataclass
class Backup:
    """Of one kind of database, as docs/operations.md says it is made and brought back."""

    service: Operated
    make: Callable[[], Awaitable[None]]
    bring_back: Callable[[], Awaitable[None]]
    """The service does not run."""


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
async def backup(request: pytest.FixtureRequest, tmp_path: Path, keycloak: RunningKeycloak) -> AsyncIterator[Backup]:
    """A service on each kind of database, with the way of that kind."""
    if request.param == "sqlite":
        async with operated(tmp_path, keycloak, kept_in_sqlite(tmp_path)) as service:
            yield _of_sqlite(service)
    else:
        server = request.getfixturevalue("postgresql")
        data = await kept_in_postgresql(server.make_database().render_as_string(hide_password=False), tmp_path)
        async with operated(tmp_path, keycloak, data) as service:
            yield _of_postgresql(service, server)


def _of_sqlite(service: Operated) -> Backup:
    copy, file = service.folder / "broker-backup.sqlite3", service.folder / "broker.sqlite3"

    async def make() -> None:
        await service.command("database", "backup", str(copy))

    async def bring_back() -> None:
        for each in service.folder.glob("broker.sqlite3*"):
            each.unlink()
        file.write_bytes(copy.read_bytes())

    return Backup(service, make, bring_back)


def _of_postgresql(service: Operated, server: PostgresqlServer) -> Backup:
    copy, url = service.folder / "broker-backup.dump", make_url(service.data.url)

    async def make() -> None:
        await _run(program("pg_dump"), "--format=custom", f"--file={copy}", f"--dbname={plain(url)}")

    async def bring_back() -> None:
        server.drop_database(url)
        server.run(f"CREATE DATABASE {url.database}")
        await _run(program("pg_restore"), "--exit-on-error", f"--dbname={plain(url)}", str(copy))

    return Backup(service, make, bring_back)


async def _run(*command: str) -> None:
    await asyncio.to_thread(subprocess.run, command, check=True, capture_output=True, timeout=120)


async def test_yesterdays_backup_destroys_nothing_and_what_is_lost_is_listed(
    backup: Backup, keycloak: RunningKeycloak
) -> None:
    """Since it was made one app was installed, one uninstalled, one's credentials rotated, people signed on, the issuers' key changed."""
    service = backup.service
    await service.broker.start()
    kept, rotated = await service.install(ACME), await service.install(ACME, "Notes")
    gone = await service.install(GLOBEX)
    assert await service.arrives(kept, ANA)
    await backup.make()

    # A day goes by.
    await service.talkdesk.rotate(rotated)
    await service.talkdesk.wait_until(lambda: _only_the_new_lives(service, rotated), what="the rotation is over")
    await service.talkdesk.uninstall(gone)
    await eventually(lambda: _has_none(keycloak, gone), what="the uninstalled one is withdrawn")
    new = await service.install(GLOBEX, "Notes")
    assert await service.arrives(new, CARLA)
    await _the_issuers_key_is_another(service)
    # Keycloak asks for keys that it does not know 10 s after the last time, not before; in earnest a key is there long before it signs.
    await service.until_arrives(kept, BRUNO)
    before = await _aliases(keycloak)

    await service.broker.stop()
    await backup.bring_back()
    _age_by_a_day(service)
    await service.broker.start()

    # Nothing is deleted, and all of it is told.
    assert {(each["finding"], each["alias"], each["what"]) for each in await service.objects("reconcile")} == {
        ("orphan", _alias(new), "reported only"),
        ("missing", _alias(gone), "made under a new alias"),
    }
    assert await _aliases(keycloak) == before | {_alias(gone, 2)}
    await eventually(lambda: _are_suspect(service, gone, rotated), what="the daily check has found both", seconds=60)
    told = (await service.check())["installations"]
    assert told["verdict"] == "warning"
    assert all(each.id in told["found"] for each in (gone, rotated))

    # Who is signed on stays so until Talkdesk says otherwise; it need not be on record.
    assert users_of(service.wallboard) == sorted([ANA.id, BRUNO.id])
    await service.until_arrives(kept, ANA)
    await service.talkdesk.user_logout(BRUNO)
    await service.talkdesk.user_logout(CARLA)
    await eventually(lambda: set(users_of(service.wallboard)) == {ANA.id}, what="Bruno is out")
    await eventually(lambda: not service.notes.signed_in, what="Carla is out, through an identity provider of nobody")

    # What can't come back is closed: by our page where we don't know it, by Talkdesk's own where Talkdesk takes no credentials of ours.
    assert (await service.launch(new, CARLA)).status == 404
    [failure] = await service.objects("failures", "list")
    assert (failure["reason"], failure["installation"]) == ("installation_unknown", new.id)
    for installation, user in ((gone, BRUNO), (rotated, BRUNO)):
        page = await service.launch(installation, user)
        assert (page.status, page.url.startswith(service.talkdesk.url)) == (400, True)

    await _mend(backup, keycloak, new=new, gone=gone, rotated=rotated)


async def _mend(
    backup: Backup, keycloak: RunningKeycloak, *, new: Installation, gone: Installation, rotated: Installation
) -> None:
    """The operator's steps, and the customers'."""
    service = backup.service
    await service.command("installations", "forget", gone.id, "--uninstall-was-lost", "--yes")
    await eventually(lambda: _has_none(keycloak, gone), what="what came back of the uninstalled one is withdrawn")
    await service.talkdesk.rotate(rotated)
    await service.until_arrives(rotated, ANA)
    await service.talkdesk.uninstall(new)
    again = await service.install(GLOBEX, "Notes")
    await service.until_arrives(again, CARLA)
    [orphan] = await service.objects("reconcile", "--delete-orphans", "--yes")
    assert (orphan["alias"], orphan["what"]) == (_alias(new), "deleted")
    assert await service.objects("reconcile") == []
    assert await service.objects("installations", "list", "--suspect") == []
    found = await service.check()
    assert found["installations"]["verdict"] == found["tasks"]["verdict"] == "ok"


async def _are_suspect(service: Operated, *installations: Installation) -> bool:
    listed = await service.objects("installations", "list", "--suspect")
    return {each["installation"] for each in listed} == {each.id for each in installations}


def _alias(installation: Installation, generation: int = 1) -> str:
    return alias_of(slug_of(InstallationId(installation.id)), generation)


def _only_the_new_lives(service: Operated, installation: Installation) -> bool:
    now = service.talkdesk.state.clock()
    return [each.dead_from is None or each.dead_from > now for each in installation.credential_sets] == [False, True]


async def _aliases(keycloak: RunningKeycloak) -> set[str]:
    async with keycloak.admin() as admin:
        found = (await admin.get("identity-provider/instances", params={"max": 10000})).raise_for_status().json()
    return {each["alias"] for each in found}


async def _has_none(keycloak: RunningKeycloak, installation: Installation) -> bool:
    return not any(alias.startswith(f"talkdesk-{installation.id}") for alias in await _aliases(keycloak))


async def _the_issuers_key_is_another(service: Operated) -> None:
    """`broker keys rotate --issuer`, and as much time as it takes until only the new key is left."""
    await service.command("keys", "rotate", "--issuer")
    await service.broker.stop()
    _change(
        service,
        "UPDATE issuer_key SET signs_from = 0",
        "DELETE FROM issuer_key WHERE position = (SELECT min(position) FROM issuer_key)",
    )
    await service.broker.start()


def _age_by_a_day(service: Operated) -> None:
    """The backup is a day old: what was planned for this day is due."""
    _change(service, f"UPDATE task SET due_at = due_at - {A_DAY_MS}")


def _change(service: Operated, *statements: str) -> None:
    engine = create_engine(service.data.url, poolclass=NullPool)
    with engine.begin() as connection:
        for each in statements:
            connection.execute(text(each))
