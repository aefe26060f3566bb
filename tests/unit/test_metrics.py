"""Labels, and what is there without a database."""

from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.dialects import sqlite

from broker.errors import StorageError, StorageUnavailable
from broker.listing import TaskCount
from broker.model.task import Claim, Task, TaskKind
from broker.observation import Origin, Timed
from broker.realm.operations import operation_of
from broker.storage.database import open_database
from broker.storage.sql_task_lists import SqlBacklog, backlog_query
from broker.web.metrics import Metrics
from tests.contracts.stores import NOW, at
from tests.stores import opened_stores


class Unreachable:
    """A database that does not answer."""

    async def count(self) -> Sequence[TaskCount]:
        raise StorageUnavailable("gone")


async def test_what_somebody_outside_chose_makes_no_series(tmp_path: Path) -> None:
    """A made-up type, an app that is not configured."""
    metrics = Metrics(["app1"])
    for number in range(100):
        metrics.event_received(f"app.invented{number}", "unknown type")
        metrics.sign_on_failed(f"app-{number}", "launch", "installation_unknown")
    metrics.sign_on_failed("app1", "launch", "installation_unknown")
    written = (await metrics.read(Unreachable())).decode()
    assert 'events_total{outcome="unknown type",type="other"} 100.0' in written
    assert 'sign_ons_total{app="other",outcome="failed"} 100.0' in written
    assert 'sign_ons_total{app="app1",outcome="failed"} 1.0' in written
    failures = 'sign_on_failures_total{app="app1",reason="installation_unknown",stage="launch"} 1.0'
    assert failures in written
    assert "invented" not in written


async def test_without_the_database_the_rest_is_still_there() -> None:
    """That is when an operator looks."""
    metrics = Metrics([])
    metrics.logout_token_posted(None)
    written = (await metrics.read(Unreachable())).decode()
    assert "talkdesk_broker_database_up 0.0" in written
    assert 'logout_tokens_total{status="none"} 1.0' in written
    assert "talkdesk_broker_tasks{" not in written


async def test_a_scrape_reads_an_index_and_no_table(tmp_path: Path) -> None:
    """However many tasks are done."""
    async with opened_stores(tmp_path):
        database = open_database(f"sqlite:///{tmp_path / 'broker.sqlite3'}")
        query = backlog_query(0).compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
        plan = await database.read(lambda connection: connection.execute(text(f"EXPLAIN QUERY PLAN {query}")).all())
        await SqlBacklog(database).count()
        await database.close()
    assert any("USING COVERING INDEX ix_task_state_kind_due_at (state=?)" in row.detail for row in plan)


class Watching(Metrics):
    """Remembers how long events waited."""

    def __init__(self) -> None:
        super().__init__([])
        self.waited: list[tuple[str, float]] = []

    def event_took_effect(self, event_type: str, after_s: float) -> None:
        self.waited.append((event_type, after_s))


class Origins:
    """Knows one event, or fails."""

    def __init__(self, error: StorageError | None = None) -> None:
        self._error = error

    async def find(self, task: Task) -> Origin | None:
        if self._error:
            raise self._error
        return Origin("app.installed", NOW)


async def test_an_effect_is_not_done_again_for_a_number() -> None:
    """What is done is done, also where the database fails right after it."""
    done: list[str] = []

    async def effect(claim: Claim) -> None:
        done.append(claim.task.key)

    claim = Claim(Task(TaskKind.ANSWER, "1"), "test", 1, 0)
    observer = Watching()
    await Timed(effect, Origins(StorageUnavailable("gone")), observer, lambda: at(3))(claim)
    assert (done, observer.waited) == (["1"], [])
    await Timed(effect, Origins(), observer, lambda: at(3))(claim)
    assert observer.waited == [("app.installed", 3.0)]


def test_operations_of_keycloak_have_names_without_aliases() -> None:
    """A table of methods and paths."""
    admin = "/admin/realms/talkdesk/identity-provider/instances"
    openid = "/auth/realms/talkdesk/protocol/openid-connect"
    for method, path, name in (
        ("GET", f"{admin}/talkdesk-i1", "read identity provider"),
        ("POST", admin, "create identity provider"),
        ("PUT", f"{admin}/talkdesk-i1", "replace identity provider"),
        ("DELETE", f"{admin}/talkdesk-i1", "delete identity provider"),
        ("GET", f"{admin}/talkdesk-i1/mappers", "read mapper"),
        ("POST", f"{admin}/talkdesk-i1/mappers", "create mapper"),
        ("PUT", f"{admin}/talkdesk-i1/mappers/3", "replace mapper"),
        ("POST", f"{openid}/token", "token"),
        ("GET", f"{openid}/certs", "realm keys"),
        ("POST", f"{openid}/logout/backchannel-logout", "back-channel logout"),
        ("GET", "/admin/realms/talkdesk/users", "find users"),
        ("GET", "/admin/realms/talkdesk/users/u1/federated-identity", "read links"),
        ("PATCH", admin, "other"),
        ("GET", "/talkdesk-i1", "other"),
    ):
        assert operation_of(method, path) == name
