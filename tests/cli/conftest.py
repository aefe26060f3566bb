"""Commands on a real database that somebody else has open, with the settings of the database and no others."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from broker import logs
from broker.cli import app
from broker.storage.stores import Stores
from tests.stores import opened_stores


@dataclass(frozen=True)
class Commands:
    """Runs commands in this process."""

    async def run(self, *arguments: str, exit_code: int = 0, answer: str = "") -> str:
        """Everything that the command printed."""
        return (await self._run(arguments, exit_code, answer)).output

    async def objects(self, *arguments: str, exit_code: int = 0) -> Any:
        """What the command printed with `--json`; a progress bar is no part of it."""
        return json.loads((await self._run((*arguments, "--json"), exit_code)).stdout)

    async def _run(self, arguments: Sequence[str], exit_code: int, answer: str = "") -> Result:
        result = await asyncio.to_thread(CliRunner().invoke, app, list(arguments), input=answer)
        assert result.exit_code == exit_code, result.output
        assert exit_code == 0 or "Traceback" not in result.output
        return result


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """Commands whose only setting is the folder of the database."""
    for name in [name for name in os.environ if name.startswith("BROKER_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("BROKER_DATA_DIR", str(tmp_path))
    logs.configure_for_commands()  # as `main` does
    return Commands()


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[Stores]:
    """The database, open in this process as in a service."""
    async with opened_stores(tmp_path) as stores:
        yield stores
