"""Contract of `Failures`: records, and rows of them."""

import asyncio
from datetime import timedelta

import pytest

from broker.model.failure import Failure, Stage, Streak
from broker.model.task import TaskKind
from broker.storage.stores import Stores
from tests.contracts.stores import INSTALLATION, at, installed, receive

AFTER = 3
"""So many in a row are worth an alert."""
HOUR_S, DAY_S = 3600, 86400


def failure(number: int, seconds: float = 0, installation: str | None = INSTALLATION) -> Failure:
    """One of a row."""
    return Failure(f"ref{number}", at(seconds), Stage.CALLBACK, "talkdesk_failed", "", installation, None, 503)


async def fail(stores: Stores, *failures: Failure) -> None:
    """Keep them, each counting in its installation's row."""
    for each in failures:
        await stores.failures.save(each, alert_after=AFTER)


async def alerts_due(stores: Stores) -> int:
    """How many alerts are due; each is done at once."""
    claims = await stores.tasks.claim("test", {TaskKind.ALERT: 10}, timedelta(minutes=1))
    for claim in claims:
        assert claim.task.key == INSTALLATION
        await stores.tasks.finish(claim)
    return len(claims)


@pytest.fixture(autouse=True)
async def an_installation(stores: Stores) -> None:
    """One that Talkdesk told of."""
    await receive(stores, installed())


async def test_a_failure_is_found_by_its_reference(stores: Stores) -> None:
    """With all that support may need, and where little is known with little."""
    full = Failure("ref1", at(1), Stage.CALLBACK, "token_refused", "no secrets", "installation1", "user1", 401)
    bare = Failure("ref2", at(2), Stage.LAUNCH, "no_installation", "", None, None, None)
    await fail(stores, full, bare)
    assert await stores.failures.find("ref1") == full
    assert await stores.failures.find("ref2") == bare
    assert await stores.failures.find("ref3") is None


async def test_an_alert_is_asked_for_when_enough_failed_in_a_row(stores: Stores) -> None:
    """Not before, and with the last of them."""
    await fail(stores, failure(1, 1), failure(2, 2))
    assert await alerts_due(stores) == 0
    await fail(stores, failure(3, 3))
    assert await alerts_due(stores) == 1
    assert await stores.failures.streak(INSTALLATION) == Streak(3, failure(3, 3))


async def test_a_launch_that_arrives_ends_the_row(stores: Stores) -> None:
    """One that fails now and then is no alert."""
    await fail(stores, failure(1), failure(2))
    await stores.failures.launch_arrived(INSTALLATION)
    assert await stores.failures.streak(INSTALLATION) is None
    await fail(stores, failure(3), failure(4))
    assert await alerts_due(stores) == 0
    await fail(stores, failure(5))
    assert await alerts_due(stores) == 1


async def test_a_day_without_a_failure_ends_the_row(stores: Stores) -> None:
    """Also where no launch reached the app, since its people begin at the app."""
    await fail(stores, failure(1, 0), failure(2, DAY_S), failure(3, 2 * DAY_S + 1), failure(4, 2 * DAY_S + 2))
    assert await alerts_due(stores) == 0
    streak = await stores.failures.streak(INSTALLATION)
    assert streak is not None
    assert streak.in_a_row == 2


async def test_an_alert_is_asked_for_once_an_hour_at_most(stores: Stores) -> None:
    """However many fail, also where a launch arrived in between."""
    await fail(stores, *(failure(number, number) for number in range(20)))
    assert await alerts_due(stores) == 1
    await stores.failures.launch_arrived(INSTALLATION)
    await fail(stores, *(failure(number, HOUR_S - 1) for number in range(20, 25)))
    assert await alerts_due(stores) == 0
    await fail(stores, failure(25, HOUR_S + 2))
    assert await alerts_due(stores) == 1


async def test_processes_that_fail_at_once_count_together(stores: Stores, other_stores: Stores) -> None:
    """Every failure counts once, and one alert is asked for."""
    both = (stores, other_stores)
    await asyncio.gather(*(fail(both[number % 2], failure(number)) for number in range(12)))
    streak = await stores.failures.streak(INSTALLATION)
    assert streak is not None
    assert streak.in_a_row == 12
    assert await alerts_due(stores) == 1


async def test_what_a_link_makes_up_gets_no_row(stores: Stores) -> None:
    """The record is kept; but anybody can name anything."""
    await fail(stores, *(failure(number, installation="made-up") for number in range(5)), failure(9, installation=None))
    assert await stores.failures.streak("made-up") is None
    assert await alerts_due(stores) == 0


async def test_a_failure_that_does_not_count_is_kept_all_the_same(stores: Stores) -> None:
    """A door that is closed on purpose."""
    for number in range(5):
        await stores.failures.save(failure(number))
    assert await stores.failures.find("ref4") == failure(4)
    assert await stores.failures.streak(INSTALLATION) is None
    assert await alerts_due(stores) == 0
