"""Who is served now, how long anybody waits, and what is kept of a flood."""

import asyncio
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest

from broker.errors import OAuthError, SignOnFailed
from broker.model.failure import Reason, Stage
from broker.outbound import answered_within, seconds_left
from broker.reception import FOR_KEYCLOAK, ON_THE_WAY, Reception
from broker.web.keeping import AT_ONCE, CROWDED_AT_ONCE, ONE_MORE_EVERY, WorthKeeping
from tests.unit.talkdesk_samples import INSTALLATION

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ON_THE_WAY_STAGES = (Stage.AUTHORIZE, Stage.CALLBACK, Stage.RETURN)


def test_who_begins_is_sent_away_first_and_keycloak_last() -> None:
    """Those on the way go on while nobody new begins."""
    reception = Reception(at_once=3, answer_s=5)
    with ExitStack() as served:
        for _ in range(3):
            served.enter_context(reception.receive(Stage.LAUNCH))
        with pytest.raises(SignOnFailed) as sent_away, reception.receive(Stage.LAUNCH):
            pass
        assert (sent_away.value.reason, sent_away.value.status) == (Reason.CROWDED, 503)
        for number in range(3 * (ON_THE_WAY - 1)):
            served.enter_context(reception.receive(ON_THE_WAY_STAGES[number % 3]))
        for stage in ON_THE_WAY_STAGES:
            with pytest.raises(SignOnFailed), reception.receive(stage):
                pass
        for _ in range(3 * (FOR_KEYCLOAK - ON_THE_WAY)):
            served.enter_context(reception.receive_call())
        with pytest.raises(OAuthError) as refused, reception.receive_call():
            pass
        assert (refused.value.reason, refused.value.status) == ("temporarily_unavailable", 503)
    assert reception.under_way == 0
    with reception.receive(Stage.LAUNCH):
        assert reception.under_way == 1


def test_who_fails_makes_room_too() -> None:
    """An error is the end of a request like any other."""
    reception = Reception(at_once=1, answer_s=5)
    for _ in range(3):
        with pytest.raises(SignOnFailed, match="state_unknown"), reception.receive(Stage.LAUNCH):
            raise SignOnFailed(Stage.LAUNCH, Reason.STATE_UNKNOWN)


def test_a_wait_inside_a_wait_is_no_longer_than_that() -> None:
    """All calls of a block share it; where nobody waits there is no limit but a call's own."""
    assert seconds_left() is None
    assert seconds_left(10) == 10
    with answered_within(3):
        assert 0 < (seconds_left() or 0) <= 3
        assert 0 < (seconds_left(10) or 0) <= 3
        assert seconds_left(0.001) == 0.001
        with answered_within(60):
            assert (seconds_left() or 0) <= 3
        with answered_within(0):
            assert seconds_left() == 0
        assert (seconds_left() or 0) > 0
    assert seconds_left() is None


async def test_a_task_of_the_service_waits_as_long_as_it_likes() -> None:
    """The wait belongs to one request: what runs beside it, and what began before it, has none."""
    began, may_end = asyncio.Event(), asyncio.Event()

    async def waits() -> None:
        with answered_within(1):
            began.set()
            await may_end.wait()

    waiting = asyncio.create_task(waits())
    await began.wait()
    assert seconds_left() is None
    may_end.set()
    await waiting


def test_of_a_flood_so_much_is_kept() -> None:
    """Of each installation by itself, and of all that a link may name together; a moment later one more."""
    is_worth_keeping = WorthKeeping()
    failed = SignOnFailed(Stage.RETURN, Reason.STATE_UNKNOWN)
    kept = [is_worth_keeping(failed, None, NOW) for _ in range(AT_ONCE + 50)]
    assert kept == [True] * AT_ONCE + [False] * 50
    assert is_worth_keeping(failed, INSTALLATION, NOW), "nobody's flood takes another one's place"
    assert is_worth_keeping(failed, None, NOW + ONE_MORE_EVERY)
    assert not is_worth_keeping(failed, None, NOW + ONE_MORE_EVERY)


def test_of_those_who_are_sent_away_few_are_kept() -> None:
    """Where there is too much to do already, records of it are not what is missing."""
    is_worth_keeping = WorthKeeping()
    sent_away = SignOnFailed(Stage.LAUNCH, Reason.CROWDED)
    kept = sum(is_worth_keeping(sent_away, None, NOW) for _ in range(1000))
    assert kept == CROWDED_AT_ONCE
    assert is_worth_keeping(SignOnFailed(Stage.LAUNCH, Reason.USER_REMOVED), INSTALLATION, NOW)
