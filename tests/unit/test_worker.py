"""The worker: claims, runs, marks; what fails comes again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from broker.errors import KeycloakError, NotYet, TalkdeskError
from broker.model.task import Claim, Task, TaskKind
from broker.worker import PLACES, Effect, Worker, delay_after
from tests.stores import opened_stores
from tests.waiting import eventually

CONVERGE = Task(TaskKind.CONVERGE, "i1")


@asynccontextmanager
async def working(folder: Path, effects: dict[TaskKind, Effect], *tasks: Task) -> AsyncIterator[Worker]:
    """A worker at work on these tasks."""
    async with opened_stores(folder) as stores:
        for task in tasks:
            await stores.tasks.enqueue(task)
        worker = Worker(stores.tasks, effects, "test")
        running = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            worker.stop()
            await running


async def test_a_due_task_is_carried_out_once(tmp_path: Path) -> None:
    """Done means done."""
    done: list[str] = []

    async def effect(claim: Claim) -> None:
        done.append(claim.task.key)

    async with working(tmp_path, {TaskKind.CONVERGE: effect}, CONVERGE, CONVERGE, Task(TaskKind.CONVERGE, "i2")):
        await eventually(lambda: len(done) >= 2, what="both are done")
    async with opened_stores(tmp_path) as stores:
        assert await stores.tasks.next_due() is None
    assert sorted(done) == ["i1", "i2"]


@pytest.mark.thorough
@pytest.mark.parametrize(
    "error", [KeycloakError("down"), TalkdeskError("busy", status=503), RuntimeError("a fault of ours")]
)
async def test_what_fails_comes_again(tmp_path: Path, error: Exception) -> None:
    """After a while, with one attempt more; also where the fault is our own."""
    attempts: list[int] = []

    async def effect(claim: Claim) -> None:
        attempts.append(claim.attempts)
        if claim.attempts == 0:
            raise error

    async with working(tmp_path, {TaskKind.CONVERGE: effect}, CONVERGE):
        await eventually(lambda: attempts == [0, 1], what="a second attempt")


@pytest.mark.thorough
async def test_what_hangs_is_cut_off_before_its_lease_ends(tmp_path: Path) -> None:
    """Otherwise another process would be at the same task meanwhile. It is tried again, and the lease was still held when it was put off."""
    attempts: list[int] = []

    async def effect(claim: Claim) -> None:
        attempts.append(claim.attempts)
        if claim.attempts == 0:
            await asyncio.Event().wait()

    async with opened_stores(tmp_path) as stores:
        await stores.tasks.enqueue(CONVERGE)
        worker = Worker(stores.tasks, {TaskKind.CONVERGE: effect}, "test", lease=timedelta(seconds=3))
        running = asyncio.create_task(worker.run())
        await eventually(lambda: attempts == [0, 1], what="a second attempt, counted as one")
        worker.stop()
        await running


async def test_what_can_never_succeed_is_left(tmp_path: Path) -> None:
    """Final means that the same request will never do: nothing waits afterwards."""
    called = asyncio.Event()

    async def effect(claim: Claim) -> None:
        called.set()
        raise TalkdeskError("no such installation", status=404, is_final=True)

    async with working(tmp_path, {TaskKind.CONVERGE: effect}, CONVERGE):
        await called.wait()
    async with opened_stores(tmp_path) as stores:
        assert await stores.tasks.next_due() is None


async def test_a_stuck_kind_holds_up_no_other(tmp_path: Path) -> None:
    """All places of answers hang; a sign-out goes through."""
    release = asyncio.Event()
    stuck: list[str] = []
    done: list[str] = []

    async def answer(claim: Claim) -> None:
        stuck.append(claim.task.key)
        await release.wait()

    async def sign_out(claim: Claim) -> None:
        done.append(claim.task.key)

    answers = [Task(TaskKind.ANSWER, str(number)) for number in range(PLACES[TaskKind.ANSWER] + 2)]
    effects: dict[TaskKind, Effect] = {TaskKind.ANSWER: answer, TaskKind.SIGN_OUT: sign_out}
    async with working(tmp_path, effects, *answers) as worker:
        await eventually(lambda: len(stuck) == PLACES[TaskKind.ANSWER], what="every place of answers is taken")
        async with opened_stores(tmp_path) as other:
            await other.tasks.enqueue(Task(TaskKind.SIGN_OUT, "1"))
        worker.wake()
        await eventually(lambda: done == ["1"], what="the sign-out is done")
        assert len(stuck) == PLACES[TaskKind.ANSWER]
        release.set()
        await eventually(lambda: len(stuck) == len(answers), what="the other answers get their turn")


async def test_a_task_that_is_asked_for_meanwhile_is_done_again(tmp_path: Path) -> None:
    """What it did may not have seen the newest facts."""
    runs: list[int] = []
    begun, release = asyncio.Event(), asyncio.Event()

    async def effect(claim: Claim) -> None:
        runs.append(claim.generation)
        begun.set()
        await release.wait()

    async with working(tmp_path, {TaskKind.CONVERGE: effect}, CONVERGE):
        await begun.wait()
        async with opened_stores(tmp_path) as other:
            await other.tasks.enqueue(CONVERGE)
        release.set()
        await eventually(lambda: len(runs) == 2, what="it ran again")


async def test_the_worker_outlives_a_fault_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise events would be taken and nothing be done."""
    done = asyncio.Event()

    async def effect(claim: Claim) -> None:
        done.set()

    async with opened_stores(tmp_path) as stores:
        original, faults = stores.tasks.next_due, [RuntimeError("a fault")]

        async def next_due() -> timedelta | None:
            if faults:
                raise faults.pop()
            return await original()

        monkeypatch.setattr(stores.tasks, "next_due", next_due)
        worker = Worker(stores.tasks, {TaskKind.CONVERGE: effect}, "test")
        running = asyncio.create_task(worker.run())
        await eventually(lambda: not faults, what="the fault was met")
        await stores.tasks.enqueue(CONVERGE)
        worker.wake()
        await asyncio.wait_for(done.wait(), 10)
        worker.stop()
        await running


async def test_what_is_under_way_at_the_stop_is_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next process need not wait for the lease to end."""
    monkeypatch.setattr("broker.worker._STOP_S", 0.01)
    begun = asyncio.Event()

    async def effect(claim: Claim) -> None:
        begun.set()
        await asyncio.Event().wait()

    async with working(tmp_path, {TaskKind.CONVERGE: effect}, CONVERGE):
        await begun.wait()
    async with opened_stores(tmp_path) as stores:
        claims = await stores.tasks.claim("other", {TaskKind.CONVERGE: 1}, timedelta(seconds=60))
        assert [claim.task for claim in claims] == [CONVERGE]


async def test_what_waits_comes_again_and_counts_no_attempts(tmp_path: Path) -> None:
    """Nothing failed: the next run is the first attempt again."""
    attempts: list[int] = []

    async def effect(claim: Claim) -> None:
        attempts.append(claim.attempts)
        if len(attempts) < 3:
            raise NotYet(timedelta(), "something else")

    async with working(tmp_path, {TaskKind.CONVERGE: effect}, CONVERGE):
        await eventually(lambda: len(attempts) == 3, what="the third run")
    assert attempts == [0, 0, 0]


@pytest.mark.parametrize(("asked_s", "least_s"), [(0, 0.4), (300, 299), (10**9, 3599)])
async def test_retry_after_is_honoured_up_to_an_hour(tmp_path: Path, asked_s: int, least_s: float) -> None:
    """Never sooner than without it, and no mistake at the other end puts an answer off for days."""
    called = asyncio.Event()

    async def effect(claim: Claim) -> None:
        called.set()
        raise TalkdeskError("busy", status=429, retry_after=timedelta(seconds=asked_s))

    async with working(tmp_path, {TaskKind.CONVERGE: effect}, CONVERGE):
        await called.wait()
    async with opened_stores(tmp_path) as stores:
        due = await stores.tasks.next_due()
    assert due is not None
    assert least_s < due.total_seconds() <= 3600


@pytest.mark.parametrize("is_final", [False, True])
async def test_what_a_person_has_to_look_at_is_an_error_in_the_log(tmp_path: Path, is_final: bool) -> None:
    """Under a stable name; it goes on unless it is final."""
    called = asyncio.Event()

    async def effect(claim: Claim) -> None:
        called.set()
        raise TalkdeskError("refused", status=403, is_final=is_final, is_alarming=True)

    with capture_logs([merge_contextvars]) as logs:
        async with working(tmp_path, {TaskKind.CONVERGE: effect}, CONVERGE):
            await called.wait()
    [alarm] = [line for line in logs if line["log_level"] == "error"]
    assert (alarm["event"], alarm["kind"], alarm["key"]) == ("task needs attention", "converge", "i1")
    async with opened_stores(tmp_path) as stores:
        assert (await stores.tasks.next_due() is None) is is_final


def test_delays_double_up_to_a_cap_and_differ_by_chance() -> None:
    """Between half and all of 1, 2, 4 … 600 s."""
    assert [delay_after(n, lambda: 1.0).total_seconds() for n in (0, 1, 2, 9, 10, 1000)] == [1, 2, 4, 512, 600, 600]
    assert delay_after(2, lambda: 0.0).total_seconds() == 2
