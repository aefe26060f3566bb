"""The databases that are measured, each as durable as in earnest: a commit waits for the disk."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.acceptance.keycloak_server import RunningKeycloak, running_keycloak
from tests.kept_data import KeptData, kept_in_postgresql, kept_in_sqlite
from tests.postgresql_server import running_postgresql

LEAST_DRAINED = {"SQLite": 300.0, "PostgreSQL": 600.0}
"""Tasks a second."""


@dataclass(frozen=True)
class Backend:
    """One kind of database."""

    name: str
    least_drained: float
    """Tasks a second."""
    make: Callable[[Path], KeptData]
    keycloak: Callable[[], RunningKeycloak]
    """One for the whole run, started where it is first needed."""

    @contextmanager
    def new_database(self) -> Iterator[tuple[KeptData, Path]]:
        """An empty one, and a folder for whatever else there is."""
        with tempfile.TemporaryDirectory(prefix="bench-") as name:
            yield self.make(Path(name)), Path(name)


@contextmanager
def backends() -> Iterator[list[Backend]]:
    """SQLite, and PostgreSQL on a server of its own."""
    with running_postgresql(is_durable=True) as server, ExitStack() as stack:

        @cache
        def keycloak() -> RunningKeycloak:
            return stack.enter_context(running_keycloak())

        def in_postgresql(folder: Path) -> KeptData:
            return asyncio.run(kept_in_postgresql(server.make_database().render_as_string(hide_password=False), folder))

        made = {"SQLite": kept_in_sqlite, "PostgreSQL": in_postgresql}
        yield [Backend(name, least, made[name], keycloak) for name, least in LEAST_DRAINED.items()]
