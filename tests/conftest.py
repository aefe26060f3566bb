"""What tests of several kinds share: a PostgreSQL server, and which of them run beside which."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import structlog

from tests.postgresql_server import PostgresqlServer, running_postgresql

TOGETHER = {"acceptance": "keycloak", "crashes": "processes", "fuzz": "processes"}
"""Folders whose tests follow each other in one process, while another runs the rest: one Keycloak is enough for two cores."""


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Groups for `--dist loadgroup`."""
    here = Path(__file__).parent
    for item in items:
        folder = item.path.relative_to(here).parts[0]
        if folder in TOGETHER:
            item.add_marker(pytest.mark.xdist_group(TOGETHER[folder]))


@pytest.fixture(autouse=True)
def logs_as_they_are_by_default(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What one test configures is not the next one's: no logger keeps what it was first used with."""
    configure = structlog.configure

    def configure_for_this_test(**given: Any) -> None:
        configure(**{**given, "cache_logger_on_first_use": False})

    monkeypatch.setattr(structlog, "configure", configure_for_this_test)
    yield
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """A PostgreSQL server, one for all tests of a run."""
    with running_postgresql() as server:
        yield server
