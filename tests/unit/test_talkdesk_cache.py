"""What the adapter remembers: bounded, with an age; and calls that are shared."""

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.errors import TalkdeskError
from broker.talkdesk.cache import AgedValues, SingleFlight
from tests.unit.talkdesk_samples import NOW

SIZE = 4


@given(st.lists(st.integers(0, 9), max_size=40))
def test_it_holds_the_newest_and_never_more_than_its_size(keys: list[int]) -> None:
    """Whatever is kept, in whatever order, some of it twice."""
    values: AgedValues[int, int] = AgedValues(SIZE)
    for number, key in enumerate(keys):
        values.keep(key, number, NOW)
        assert len(values) <= SIZE
    newest = list(dict.fromkeys(reversed(keys)))[:SIZE]
    assert [key for key in range(10) if values.find(key, NOW) is not None] == sorted(newest)
    for key in newest:
        assert values.find(key, NOW) == len(keys) - 1 - keys[::-1].index(key)


def test_a_value_is_found_until_it_is_too_old() -> None:
    """The age is the asker's to choose."""
    values: AgedValues[str, str] = AgedValues(SIZE)
    values.keep("a", "value", NOW)
    later = NOW + timedelta(seconds=10)
    assert values.find("a", later) == "value"
    assert values.find("a", later, timedelta(seconds=11)) == "value"
    assert values.find("a", later, timedelta(seconds=10)) is None


def test_what_is_forgotten_is_not_found() -> None:
    """And forgetting what is not there is no error."""
    values: AgedValues[str, str] = AgedValues(SIZE)
    values.keep("a", "value", NOW)
    values.forget("a")
    values.forget("a")
    assert values.find("a", NOW) is None


async def test_an_error_reaches_everybody_who_waits_and_is_not_remembered() -> None:
    """The next one who asks starts a call of his own."""
    flights: SingleFlight[str, str] = SingleFlight()
    calls = 0

    async def fail() -> str:
        nonlocal calls
        calls += 1
        raise TalkdeskError("no")

    results = await asyncio.gather(*(flights.run("a", fail) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [TalkdeskError] * 3
    assert (calls, len(flights)) == (1, 0)
    with pytest.raises(TalkdeskError):
        await flights.run("a", fail)
    assert calls == 2


async def test_an_error_that_nobody_waits_for_is_no_noise() -> None:
    """Every caller has gone before the call fails: asyncio has nothing to complain about."""
    flights: SingleFlight[str, str] = SingleFlight()
    complaints: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: complaints.append(context))
    gate = asyncio.Event()

    async def fail() -> str:
        await gate.wait()
        raise TalkdeskError("no")

    caller = asyncio.create_task(flights.run("a", fail))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert "a" in flights
    gate.set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(flights) == 0
    assert complaints == []
