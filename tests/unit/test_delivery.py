"""When a logout token is tried again, and what an app's answer means."""

from datetime import timedelta

import pytest

from broker.model.delivery import DeliveryState, judge, next_try
from tests.contracts.stores import NOW, at


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (200, DeliveryState.CONFIRMED),
        (204, DeliveryState.CONFIRMED),
        (201, DeliveryState.OPEN),
        (202, DeliveryState.OPEN),
        (302, DeliveryState.OPEN),
        (307, DeliveryState.OPEN),
        (400, DeliveryState.REFUSED),
        (401, DeliveryState.REFUSED),
        (404, DeliveryState.REFUSED),
        (408, DeliveryState.OPEN),
        (425, DeliveryState.OPEN),
        (429, DeliveryState.OPEN),
        (500, DeliveryState.OPEN),
        (503, DeliveryState.OPEN),
    ],
)
def test_what_an_answer_means(status: int, state: DeliveryState) -> None:
    """200 and 204 confirm, a 4xx that no later try changes is final, everything else comes again."""
    assert judge(status) is state


def test_tries_come_further_and_further_apart_until_the_token_expires() -> None:
    """From the first one on, where each fails at once: the last one two seconds before the end, and none after it."""
    expires_at, now, tries = at(120), NOW, []
    for attempts in range(1, 50):
        due_at = next_try(attempts, now, expires_at)
        if due_at is None:
            break
        tries.append((due_at - NOW).total_seconds())
        now = due_at
    assert tries == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 63.5, 95.5, 118]


def test_a_token_that_is_about_to_expire_is_not_tried_again() -> None:
    """The app would find it expired."""
    assert next_try(1, NOW, NOW + timedelta(seconds=2)) is None
    assert next_try(1, NOW, NOW - timedelta(seconds=1)) is None
