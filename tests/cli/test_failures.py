"""`broker failures`."""

import pytest

from broker.model.failure import Failure, Stage
from broker.storage.stores import Stores
from tests.cli.conftest import Commands
from tests.contracts.stores import at

CALLBACK = Failure("ABCD-2345", at(1), Stage.CALLBACK, "talkdesk_failed", "answered 503", "i1", "user1", 503)
LAUNCH = Failure("WXYZ-2345", at(2), Stage.LAUNCH, "installation_unknown", "", None, None, None)
SAME_TIME = Failure("ABCD-9999", at(2), Stage.LAUNCH, "state_unknown", "", None, None, None)


@pytest.fixture(autouse=True)
async def kept(stores: Stores) -> None:
    """Three failures, two of them of one instant."""
    for failure in (CALLBACK, LAUNCH, SAME_TIME):
        await stores.failures.save(failure)


@pytest.mark.parametrize(
    ("options", "references"),
    [
        ((), ["WXYZ-2345", "ABCD-9999", "ABCD-2345"]),
        (("--stage", "callback"), ["ABCD-2345"]),
        (("--reason", "state_unknown"), ["ABCD-9999"]),
        (("--installation", "i1"), ["ABCD-2345"]),
        (("--since", "2026-11-25T12:00:02Z"), ["WXYZ-2345", "ABCD-9999"]),
        (("--limit", "2"), ["WXYZ-2345", "ABCD-9999"]),
    ],
)
async def test_failures_are_listed_newest_first(
    commands: Commands, options: tuple[str, ...], references: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With filters; a page that ends between two of one instant loses neither."""
    monkeypatch.setattr("broker.cli.output.walk.__defaults__", (1,))
    listed = await commands.objects("failures", "list", *options)
    assert [failure["reference"] for failure in listed] == references


async def test_people_get_a_table(commands: Commands) -> None:
    """With what support asks for first."""
    text = await commands.run("failures", "list")
    assert "talkdesk_failed" in text
    assert "ABCD-9999" in text


async def test_a_failure_is_found_as_it_is_read_aloud(commands: Commands) -> None:
    """In small letters and without the dash, too; all that is known of it."""
    assert await commands.objects("failures", "show", " abcd2345") == [
        {
            "reference": "ABCD-2345",
            "at": "2026-11-25T12:00:01Z",
            "stage": "callback",
            "reason": "talkdesk_failed",
            "detail": "answered 503",
            "installation": "i1",
            "hint": "user1",
            "upstream_status": 503,
        }
    ]
    assert "answered 503" in await commands.run("failures", "show", "ABCD-2345")


async def test_a_reference_that_is_none_ends_with_1(commands: Commands) -> None:
    """With a sentence."""
    assert await commands.run("failures", "show", "nope", exit_code=1) == "There is no failure nope.\n"
