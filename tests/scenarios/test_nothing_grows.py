"""No request does work that grows with the number of installations.

What the whole main path asks of Keycloak and of the database is recorded: no list of identity providers, and no statement that reads
a table from end to end which has a row or more for each installation, event, person or sign-on.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, event

from broker.launch.switch import Switches
from broker.model.names import Alias
from broker.realm.in_memory import InMemoryIdentityProviders
from demo.talkdesk import ACME, ANA, InstallationState
from tests.fakes.keycloak import KeycloakImitation
from tests.world import World

pytestmark = pytest.mark.thorough

GROWING = frozenset(
    {"account", "delivery", "event", "fact", "failing", "failure", "identity_provider", "installation", "licence", "logout", "one_time"}
    | {"repair", "sign_on", "task", "user_logout"}
)  # fmt: skip

Statement = tuple[str, Any]


@contextmanager
def recorded() -> Iterator[list[Statement]]:
    """Every statement of every database of this process meanwhile."""
    statements: list[Statement] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        statements.append((statement, parameters[0] if isinstance(parameters, list) else parameters))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(Engine, "before_cursor_execute", note)


def scans(file: Path, statements: list[Statement]) -> set[str]:
    """Those that read a growing table from end to end, with the table."""
    found = set()
    with sqlite3.connect(file) as connection:
        for statement, parameters in statements:
            if not re.match(r"\s*(SELECT|UPDATE|DELETE|INSERT|WITH)\b", statement):
                continue
            for *_, step in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters):
                scanned = re.match(r"SCAN (\w+)", step)
                if scanned and scanned[1] in GROWING:
                    found.add(f"{scanned[1]}: {statement}")
    return found


async def test_the_main_path_lists_nothing(world: World, keycloak: KeycloakImitation) -> None:
    """From the install to the uninstall, with a sign-on, a second launch and a sign-out."""
    with recorded() as statements:
        installation = await world.install(ACME)
        browser = world.browser(ANA)
        for _ in range(2):
            page = await world.launch(browser, installation, ANA)
            assert page.url == f"{world.wallboard.url}/"
        await world.later()
        await world.talkdesk.user_logout(ANA)
        await world.signed_out(world.wallboard)
        await world.talkdesk.uninstall(installation)
        await world.talkdesk.until_answered(installation, InstallationState.UNINSTALLED)

    assert len(statements) > 100
    assert scans(world.broker.folder / "broker.sqlite3", statements) == set()
    asked = {(each.method, each.path) for each in keycloak.requests}
    assert any(path.endswith("/instances") and method == "POST" for method, path in asked)
    assert not any(path.endswith("/instances") and method == "GET" for method, path in asked)


def test_a_statement_that_reads_everything_would_be_seen(tmp_path: Path) -> None:
    """By its plan, whatever it is called in the statement."""
    with sqlite3.connect(tmp_path / "a.sqlite3") as connection:
        connection.execute("CREATE TABLE task (key TEXT PRIMARY KEY, state TEXT)")
    whole, one = "SELECT * FROM task WHERE state = ?", "SELECT * FROM task WHERE key = ?"
    assert scans(tmp_path / "a.sqlite3", [(whole, ("a",)), (one, ("a",))]) == {f"task: {whole}"}


async def test_what_is_known_of_switches_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many identity providers were launched through."""
    monkeypatch.setattr("broker.launch.switch._MOST", 10)
    switches = Switches(InMemoryIdentityProviders())
    for number in range(30):
        await switches.position(Alias(f"talkdesk-{number}"))
    assert len(switches._asked) == 10


async def test_the_keys_of_all_issuers_are_one_document_that_may_be_cached(world: World) -> None:
    """The only answer that Keycloak fetches for each identity provider, and it does not depend on which."""
    async with httpx.AsyncClient(trust_env=False) as client:
        before = await client.get(f"{world.broker.url}/oidc/jwks")
        await world.install(ACME)
        after = await client.get(f"{world.broker.url}/oidc/jwks")
    assert before.headers["Cache-Control"] == "public, max-age=300"
    assert after.content == before.content
