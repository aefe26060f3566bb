"""Contract of `Tasks` as a state machine: any course of asking, claiming and ending goes as a small model of it says."""

import asyncio
import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from broker.model.task import Claim, Task, TaskKind
from tests.contracts.stores import Backend, PostgresqlBackend, SqliteBackend, stores_on
from tests.postgresql_server import PostgresqlServer

LATER = timedelta(hours=1)
NOW = timedelta(0)
KEYS = st.sampled_from(["a", "b"])
TIMES = st.sampled_from([NOW, LATER])


@dataclass
class Row:
    """What the model knows of a task."""

    state: str = "done"
    is_due: bool = False
    generation: int = 0
    attempts: int = 0
    lease: int = 0
    holds: bool = False
    """Whether its lease has time left."""

    def ask(self, after: timedelta) -> None:
        """It is asked for."""
        is_open = self.state in ("waiting", "leased")
        self.is_due = after == NOW or (is_open and self.is_due)
        self.state = self.state if is_open else "waiting"
        self.generation += 1
        self.attempts = 0

    def end(self, claim: Claim, state: str, is_due: bool) -> bool:
        """A claim ends."""
        if not (self.state == "leased" and self.holds and self.lease == claim.lease):
            return False
        if self.generation == claim.generation:
            self.state, self.is_due = state, is_due
        else:
            self.state, self.is_due, self.attempts = "waiting", True, 0
        return True


class TasksAsStates(RuleBasedStateMachine):
    """Two tasks, any number of workers."""

    def __init__(self) -> None:
        """An empty database."""
        super().__init__()
        self.loop = asyncio.Runner()
        backend = self.new_backend()
        self.loop.run(backend.upgrade())
        self.database = backend.open()
        self.tasks = stores_on(self.database).tasks
        self.rows: dict[str, Row] = {}
        self.claims: list[Claim] = []

    def new_backend(self) -> Backend:
        """The database that is judged."""
        raise NotImplementedError

    def teardown(self) -> None:
        """Close everything."""
        self.loop.run(self.database.close())
        self.loop.close()

    @rule(key=KEYS, after=TIMES)
    def ask(self, key: str, after: timedelta) -> None:
        """Ask for a task."""
        self.loop.run(self.tasks.enqueue(Task(TaskKind.CONVERGE, key), after))
        self.rows.setdefault(key, Row()).ask(after)

    @rule(owner=st.sampled_from(["x", "y"]), lease=TIMES)
    def claim(self, owner: str, lease: timedelta) -> None:
        """Claim what is due; a lease of no length has run out already."""
        claims = self.loop.run(self.tasks.claim(owner, {TaskKind.CONVERGE: 9}, lease))
        expected = set()
        for key, row in self.rows.items():
            if row.state == "leased" and not row.holds:
                row.state = "waiting"
            if row.state == "waiting" and row.is_due:
                row.lease += 1
                expected.add(Claim(Task(TaskKind.CONVERGE, key), owner, row.generation, row.attempts, row.lease))
                row.state, row.holds, row.attempts = "leased", lease != NOW, row.attempts + 1
        assert set(claims) == expected
        self.claims.extend(claims)

    @rule(data=st.data(), way=st.sampled_from(["finish", "give up", "postpone", "alarm"]), after=TIMES)
    def end(self, data: st.DataObject, way: str, after: timedelta) -> None:
        """End any claim there ever was."""
        if not self.claims:
            return
        claim = data.draw(st.sampled_from(self.claims))
        row = self.rows[claim.task.key]
        if way == "finish":
            assert self.loop.run(self.tasks.finish(claim)) is row.end(claim, "done", is_due=False)
        elif way == "give up":
            assert self.loop.run(self.tasks.give_up(claim, "e")) is row.end(claim, "failed", is_due=False)
        else:
            # An alarming one goes on as one that waits.
            expected = row.end(claim, "waiting", is_due=after == NOW)
            is_alarming = way == "alarm"
            assert self.loop.run(self.tasks.postpone(claim, after, "e", is_alarming=is_alarming)) is expected

    @invariant()
    def next_due_fits(self) -> None:
        """Nothing waits; something is due at once; or the next is due within the hour."""
        wait = self.loop.run(self.tasks.next_due())
        open_rows = [row for row in self.rows.values() if row.state in ("waiting", "leased")]
        is_due = any(row.is_due if row.state == "waiting" else not row.holds for row in open_rows)
        if not open_rows:
            assert wait is None
        elif is_due:
            assert wait == NOW
        else:
            assert wait is not None
            assert NOW < wait <= LATER


COURSES = settings(max_examples=30, stateful_step_count=25, deadline=None)


@pytest.mark.thorough
def test_tasks_on_sqlite(tmp_path: Path) -> None:
    """Each course has a file of its own."""

    class OnSqlite(TasksAsStates):
        def new_backend(self) -> Backend:
            return SqliteBackend(Path(tempfile.mkdtemp(dir=tmp_path)))

    run_state_machine_as_test(OnSqlite, settings=COURSES)


@pytest.mark.postgresql
def test_tasks_on_postgresql(postgresql: PostgresqlServer) -> None:
    """Each course has a database of its own."""

    class OnPostgresql(TasksAsStates):
        def new_backend(self) -> Backend:
            self.made = PostgresqlBackend(postgresql)
            return self.made

        def teardown(self) -> None:
            super().teardown()
            self.made.drop()

    run_state_machine_as_test(OnPostgresql, settings=COURSES)
