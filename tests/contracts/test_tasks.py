"""Contract of `Tasks`: what is due is claimed by one, and marked only while the lease holds.

A lease of no length has run out as soon as it is given, which is how these tests let one run out.
"""

import asyncio
from datetime import timedelta

from broker.model.task import Claim, Task, TaskKind
from broker.ports import Tasks
from broker.storage.stores import Stores

LEASE = timedelta(minutes=1)
NONE = timedelta(0)
A, B, C = (Task(TaskKind.CONVERGE, key) for key in "abc")


async def claim(tasks: Tasks, owner: str = "me", lease: timedelta = LEASE) -> list[Claim]:
    """Claim everything that is due."""
    return list(await tasks.claim(owner, dict.fromkeys(TaskKind, 100), lease))


async def claim_one(tasks: Tasks, owner: str = "me", lease: timedelta = LEASE) -> Claim:
    """Claim the only task that is due."""
    [only] = await claim(tasks, owner, lease)
    return only


def ago(seconds: float) -> timedelta:
    """Due so many seconds before now."""
    return -timedelta(seconds=seconds)


async def test_nothing_is_due_in_the_beginning(stores: Stores) -> None:
    """An empty table has nothing to claim and nothing to wait for."""
    assert await claim(stores.tasks) == []
    assert await stores.tasks.next_due() is None


async def test_due_tasks_are_claimed_oldest_first_within_the_limits(stores: Stores) -> None:
    """Each kind has its own limit; a kind that is not wanted stays."""
    for task, seconds in ((A, 1), (B, 3), (C, 2), (Task(TaskKind.ANSWER, "1"), 4), (Task(TaskKind.SIGN_OUT, "1"), 5)):
        await stores.tasks.enqueue(task, ago(seconds))
    wanted = {TaskKind.CONVERGE: 2, TaskKind.ANSWER: 5}
    claims = await stores.tasks.claim("me", wanted, LEASE)
    assert [claimed.task for claimed in claims] == [Task(TaskKind.ANSWER, "1"), B, C]
    assert all(claimed.owner == "me" and claimed.attempts == 0 for claimed in claims)


async def test_what_is_due_later_is_not_claimed(stores: Stores) -> None:
    """It is waited for instead."""
    await stores.tasks.enqueue(A, timedelta(hours=1))
    assert await claim(stores.tasks) == []
    wait = await stores.tasks.next_due()
    assert wait is not None
    assert timedelta(minutes=59) < wait <= timedelta(hours=1)


async def test_next_due_is_never_negative(stores: Stores) -> None:
    """A task that is late is due now."""
    await stores.tasks.enqueue(A, ago(60))
    assert await stores.tasks.next_due() == NONE


async def test_a_leased_task_is_not_claimed_again(stores: Stores) -> None:
    """Not until its lease runs out, and that is when the next is due."""
    await stores.tasks.enqueue(A)
    await claim_one(stores.tasks)
    assert await claim(stores.tasks, "other") == []
    wait = await stores.tasks.next_due()
    assert wait is not None
    assert timedelta(seconds=30) < wait <= LEASE


async def test_a_lease_that_ran_out_can_be_claimed_and_counts_as_an_attempt(stores: Stores) -> None:
    """Whoever held it may be dead."""
    await stores.tasks.enqueue(A)
    await claim_one(stores.tasks, "dead", NONE)
    claimed = await claim_one(stores.tasks, "alive")
    assert (claimed.owner, claimed.attempts) == ("alive", 1)


async def test_a_lease_runs_out_by_itself(stores: Stores) -> None:
    """By the database's clock, without anybody's doing."""
    await stores.tasks.enqueue(A)
    await claim_one(stores.tasks, "dead", timedelta(milliseconds=50))
    async with asyncio.timeout(10):
        while not (claims := await claim(stores.tasks, "alive")):  # noqa: ASYNC110 (the database's clock rings no bell)
            await asyncio.sleep(0.01)
    assert [claimed.task for claimed in claims] == [A]


async def test_finished_is_done(stores: Stores) -> None:
    """It is due no more."""
    await stores.tasks.enqueue(A)
    assert await stores.tasks.finish(await claim_one(stores.tasks))
    assert await claim(stores.tasks) == []
    assert await stores.tasks.next_due() is None


async def test_a_lease_that_ran_out_marks_nothing(stores: Stores) -> None:
    """Neither before another worker claimed the task, nor after."""
    await stores.tasks.enqueue(A)
    late = await claim_one(stores.tasks, "late", NONE)
    assert not await marks_anything(stores.tasks, late)
    present = await claim_one(stores.tasks, "present")
    assert not await marks_anything(stores.tasks, late)
    assert await stores.tasks.finish(present)


async def marks_anything(tasks: Tasks, claimed: Claim) -> bool:
    """Try all ways to end the claim."""
    ended = [await tasks.finish(claimed), await tasks.postpone(claimed, NONE, "e"), await tasks.give_up(claimed, "e")]
    return any(ended)


async def test_a_former_lease_of_the_same_worker_marks_nothing(stores: Stores) -> None:
    """A worker that was frozen must not finish what it has claimed anew since."""
    await stores.tasks.enqueue(A)
    former = await claim_one(stores.tasks, "me", NONE)
    present = await claim_one(stores.tasks, "me")
    assert not await stores.tasks.finish(former)
    assert await stores.tasks.finish(present)


async def test_a_claim_ends_once(stores: Stores) -> None:
    """What is done can't be postponed."""
    await stores.tasks.enqueue(A)
    claimed = await claim_one(stores.tasks)
    assert await stores.tasks.finish(claimed)
    assert not await stores.tasks.postpone(claimed, NONE, "again")
    assert await claim(stores.tasks) == []


async def test_a_postponed_task_is_due_later_and_counts_attempts(stores: Stores) -> None:
    """Each try counts."""
    await stores.tasks.enqueue(A)
    for attempts in range(3):
        claimed = await claim_one(stores.tasks)
        assert claimed.attempts == attempts
        assert await stores.tasks.postpone(claimed, NONE, "unreachable")
    assert await stores.tasks.postpone(await claim_one(stores.tasks), timedelta(hours=1), "unreachable")
    assert await claim(stores.tasks) == []


async def test_what_was_given_up_waits_until_it_is_asked_for(stores: Stores) -> None:
    """Then its attempts count from nothing."""
    await stores.tasks.enqueue(A)
    await stores.tasks.postpone(await claim_one(stores.tasks), NONE, "unreachable")
    assert await stores.tasks.give_up(await claim_one(stores.tasks), "refused")
    assert await claim(stores.tasks) == []
    assert await stores.tasks.next_due() is None
    await stores.tasks.enqueue(A)
    assert (await claim_one(stores.tasks)).attempts == 0


async def test_what_is_done_is_due_again_when_asked_for(stores: Stores) -> None:
    """At the time that was asked for, not the former one."""
    await stores.tasks.enqueue(A, ago(60))
    await stores.tasks.finish(await claim_one(stores.tasks))
    await stores.tasks.enqueue(A, timedelta(hours=1))
    assert await claim(stores.tasks) == []
    await stores.tasks.enqueue(A)
    assert (await claim_one(stores.tasks)).task == A


async def test_asking_again_keeps_the_earlier_time(stores: Stores) -> None:
    """Of a task that waits, whichever came first."""
    await stores.tasks.enqueue(A, timedelta(hours=1))
    await stores.tasks.enqueue(A)
    await stores.tasks.enqueue(B)
    await stores.tasks.enqueue(B, timedelta(hours=1))
    assert {claimed.task for claimed in await claim(stores.tasks)} == {A, B}


async def test_asking_again_forgets_former_attempts(stores: Stores) -> None:
    """Attempts count since the task was last asked for."""
    await stores.tasks.enqueue(A)
    await stores.tasks.postpone(await claim_one(stores.tasks), NONE, "unreachable")
    await stores.tasks.enqueue(A)
    assert (await claim_one(stores.tasks)).attempts == 0


async def test_a_running_task_that_is_asked_for_does_not_run_twice_at_once(stores: Stores) -> None:
    """Its lease stays, and when it is finished it is due again."""
    await stores.tasks.enqueue(A)
    running = await claim_one(stores.tasks)
    await stores.tasks.enqueue(A)
    assert await claim(stores.tasks, "other") == []
    assert await stores.tasks.finish(running)
    again = await claim_one(stores.tasks, "other")
    assert again.generation == running.generation + 1
    assert again.attempts == 0
    assert await stores.tasks.finish(again)
    assert await claim(stores.tasks) == []


async def test_a_running_task_that_is_asked_for_is_due_at_once_however_it_ends(stores: Stores) -> None:
    """Its failure was about what was asked for before."""
    for task in (A, B):
        await stores.tasks.enqueue(task)
    first, second = await claim(stores.tasks)
    for task in (A, B):
        await stores.tasks.enqueue(task, timedelta(hours=1))
    assert await stores.tasks.postpone(first, timedelta(hours=1), "unreachable")
    assert await stores.tasks.give_up(second, "refused")
    assert {(claimed.task, claimed.attempts) for claimed in await claim(stores.tasks)} == {(A, 0), (B, 0)}


async def test_workers_that_claim_at_once_share_the_tasks(stores: Stores, other_stores: Stores) -> None:
    """Each task has one owner."""
    asked = {Task(TaskKind.CONVERGE, str(number)) for number in range(20)}
    for task in asked:
        await stores.tasks.enqueue(task)
    claims = await asyncio.gather(
        *(
            each.tasks.claim(f"worker{number}", {TaskKind.CONVERGE: 3}, LEASE)
            for number, each in enumerate((stores, other_stores) * 5)
        )
    )
    claimed = [each.task for some in claims for each in some]
    assert len(claimed) == 20
    assert set(claimed) == asked
