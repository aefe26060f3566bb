"""`kcwarden` on the realms as a Keycloak has them: what it finds is what realm-config/README.md answers, no more and no less."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from tests.acceptance.keycloak_server import REPOSITORY, RunningKeycloak
from tests.acceptance.realm_commands import RealmCommands

README = REPOSITORY / "realm-config" / "README.md"
# It asks GitHub for the newest version; `broker realm plan` has a table of its own.
ASKS_ELSEWHERE = "KeycloakVersionShouldBeUpToDate"


def test_each_finding_is_answered(
    imported: RunningKeycloak, empty: RunningKeycloak, admin_api: httpx.Client, tmp_path: Path
) -> None:
    """On the realm as it is imported, and of our things in a realm that somebody else owns."""
    own = found_in(admin_api, imported.realm, tmp_path)
    RealmCommands(empty, users="existing").run("apply", "--yes")
    there = {each for each in found_in(admin_api, empty.realm, tmp_path) if each[1].startswith("talkdesk-")}
    assert own | there == answered()


def found_in(admin_api: httpx.Client, realm: str, folder: Path) -> set[tuple[str, str]]:
    """Auditor and what it is about; the realm itself is `realm`."""
    parts = {"exportClients": "true", "exportGroupsAndRoles": "true"}
    exported = folder / f"{realm}.json"
    exported.write_bytes(admin_api.post(f"{realm}/partial-export", params=parts).raise_for_status().content)
    ended = subprocess.run(
        [str(Path(sys.executable).with_name("kcwarden")), "audit", str(exported), "--format", "json"],
        env={"PATH": os.environ["PATH"], "HTTPS_PROXY": "http://127.0.0.1:9"},  # nobody is asked for anything
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    findings: list[dict[str, Any]] = json.loads(ended.stdout)
    assert findings, ended.stderr
    pairs = {(each["reporting_auditor"], each["entity"].replace(realm, "realm")) for each in findings}
    return {pair for pair in pairs if pair[0] != ASKS_ELSEWHERE}


def answered() -> set[tuple[str, str]]:
    """Rows of the README's table."""
    table = README.read_text("utf-8").partition("| finding of kcwarden |")[2].partition("\n\n")[0]
    rows = [line.split("|")[1:3] for line in table.splitlines()[2:]]
    return {(auditor.strip(" `"), name.strip(" `")) for auditor, names in rows for name in names.split(",")}
