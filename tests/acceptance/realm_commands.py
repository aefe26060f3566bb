"""`broker realm …` and the realm's line of `broker check`: a process of its own, settings and the administrator's account in its environment."""

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.acceptance.keycloak_server import BROKER_URL, REPOSITORY, RunningKeycloak

_SECONDS = 120


@dataclass(frozen=True)
class RealmCommands:
    """Commands for one realm of a running Keycloak."""

    keycloak: RunningKeycloak
    users: str = "own"
    config: str = ""
    public_url: str = BROKER_URL
    environment: dict[str, str] = field(default_factory=dict)
    """Beside or instead of what it takes."""

    def run(self, *arguments: str, exit_code: int = 0, answer: str = "") -> str:
        """Everything that `broker realm …` printed."""
        ended = self._broker("realm", *arguments, answer=answer)
        printed = ended.stdout + ended.stderr
        assert ended.returncode == exit_code, printed
        assert "Traceback" not in printed
        return printed

    def checked(self) -> dict[str, Any]:
        """What `broker check` says of the realm as a whole; much else is missing here, and is not looked at."""
        ended = self._broker("check", "--json")
        assert "Traceback" not in ended.stderr, ended.stderr
        (line,) = [each for each in json.loads(ended.stdout) if each["check"] == "realm"]
        return dict(line)

    def acts(self) -> list[dict[str, Any]]:
        """What `broker audit list` has, newest first; the administrator's account is nothing that it takes."""
        ended = self._broker("audit", "list", "--json", without="BROKER_ADMIN_")
        assert ended.returncode == 0, ended.stderr
        acts: list[dict[str, Any]] = json.loads(ended.stdout)
        return acts

    def _broker(
        self, *arguments: str, answer: str = "", without: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        with tempfile.TemporaryDirectory(prefix="realm-commands-") as folder:
            file = Path(folder) / "broker.toml"
            file.write_text(self.config)
            given = self._settings() | {"BROKER_CONFIG_FILE": str(file), "BROKER_DATA_DIR": folder} | self.environment
            return subprocess.run(
                [sys.executable, "-m", "broker", *arguments],
                env={name: value for name, value in given.items() if without is None or not name.startswith(without)},
                cwd=REPOSITORY,
                input=answer,
                capture_output=True,
                text=True,
                check=False,
                timeout=_SECONDS,
            )

    def plan(self, *, is_empty: bool = False) -> list[dict[str, Any]]:
        """What `plan --json` says; its exit code says whether something is to be done. Without what follows from Keycloak's version alone."""
        said: list[dict[str, Any]] = json.loads(self.run("plan", "--json", exit_code=0 if is_empty else 2))
        assert is_empty != any(each["what"] == "change" for each in said)
        return [each for each in said if not each.get("code", "").startswith("keycloak_")]

    def _settings(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "BROKER_PUBLIC_URL": self.public_url,
            "BROKER_KEYCLOAK_URL": self.keycloak.url,
            "BROKER_KEYCLOAK_REALM": self.keycloak.realm,
            "BROKER_KEYCLOAK_CLIENT_SECRET": self.keycloak.broker_secret,
            "BROKER_KEYCLOAK_LAUNCH_CLIENT_SECRET": self.keycloak.launch_secret,
            "BROKER_TALKDESK_INSECURE": "1",
            "BROKER_USERS": self.users,
            "BROKER_ACCOUNTS": "any" if self.users == "own" else "listed",
            "BROKER_ADMIN_USERNAME": self.keycloak.admin_username,
            "BROKER_ADMIN_PASSWORD": self.keycloak.admin_password,
        }
