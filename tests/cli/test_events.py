"""`broker events`."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from broker.events.signature import VerifiedBody
from broker.model.event import Event, EventKey, EventState
from broker.model.names import EventId, InstallationId
from broker.model.task import Task, TaskKind
from broker.storage.stores import Stores
from tests.cli.conftest import Commands
from tests.contracts.stores import ACCOUNT, APP, INSTALLATION, at, event_of, installed, logged_out, receive
from tests.unit import event_samples

pytestmark = pytest.mark.thorough

TASKS = (TaskKind.CONVERGE,)
LEASE = timedelta(seconds=60)
FIELDS = {
    "number", "event", "type", "app", "account", "installation", "created_at", "received_at", "state", "answer", "body_kept",
}  # fmt: skip


async def receive_unknown(stores: Stores, installation: str | None = None) -> None:
    """An event of a type that this version does not know."""
    key = EventKey(EventId("e-unknown"), APP, "app.invented", InstallationId(installation) if installation else None)
    await stores.events.receive(Event(key, ACCOUNT, at(0), EventState.UNKNOWN_TYPE, b"{}"), [], [])


async def test_events_are_listed_newest_first_with_stable_names(stores: Stores, commands: Commands) -> None:
    """A JSON list of objects for programs."""
    await receive(stores, installed(), TASKS)
    await receive(stores, logged_out())
    listed = await commands.objects("events", "list")
    assert [event["type"] for event in listed] == ["user.logout", "app.installed"]
    assert {frozenset(event) for event in listed} == {frozenset(FIELDS)}
    assert listed[1]["created_at"] == "2026-11-25T12:00:00Z"
    assert listed[1]["body_kept"] is True


async def test_people_get_a_table(stores: Stores, commands: Commands) -> None:
    """One line an event, nothing folded or cut where the output is no terminal."""
    await receive(stores, installed(installation=InstallationId("4400ebd85fa04322abf5b64de93dc913")))
    header, _, line = [line for line in (await commands.run("events", "list")).splitlines() if line.strip()]
    assert header.split() == ["number", "received", "at", "type", "account", "installation", "state", "answer"]
    assert "4400ebd85fa04322abf5b64de93dc913" in line


async def test_a_list_of_nothing_is_said(stores: Stores, commands: Commands) -> None:
    """In a word, or as an empty list."""
    assert await commands.run("events", "list") == "None.\n"
    assert await commands.objects("events", "list") == []


@pytest.mark.parametrize(
    ("options", "events"),
    [
        (("--type", "user.logout"), {"user.logout"}),
        (("--state", "unknown type"), {"app.invented"}),
        (("--installation", "i2"), {"app.invented"}),
        (("--account", ACCOUNT), {"app.installed", "user.logout", "app.invented"}),
        (("--account", "nobody"), set()),
        (("--app", "nothing"), set()),
        (("--since", "1h"), {"app.installed", "user.logout", "app.invented"}),
        (("--since", "2999-01-01"), set()),
        (("--unanswered",), {"app.installed"}),
        (("--limit", "1"), {"app.invented"}),
    ],
)
async def test_events_are_filtered(
    stores: Stores, commands: Commands, options: tuple[str, ...], events: set[str]
) -> None:
    """By all that an operator knows of one."""
    await receive(stores, installed())
    await receive(stores, logged_out())
    await receive_unknown(stores, "i2")
    assert {event["type"] for event in await commands.objects("events", "list", *options)} == events


async def test_an_answered_event_is_not_among_the_unanswered(stores: Stores, commands: Commands) -> None:
    """What was told is shown."""
    await receive(stores, installed())
    await stores.events.mark_answered("1", "approve")
    assert await commands.objects("events", "list", "--unanswered") == []
    assert [event["answer"] for event in await commands.objects("events", "list")] == ["approve"]


@pytest.mark.parametrize("wrong", [("--since", "soon"), ("--state", "lost"), ("--limit", "-1")])
async def test_a_wrong_option_ends_with_2(commands: Commands, wrong: tuple[str, str]) -> None:
    """Before anything is opened."""
    assert wrong[0] in await commands.run("events", "list", *wrong, exit_code=2)


async def test_long_lists_come_whole(stores: Stores, commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """Page by page, each row once; a limit may end in the middle of a page."""
    monkeypatch.setattr("broker.cli.output.walk.__defaults__", (2,))
    for _ in range(5):
        await receive(stores, installed())
    assert [event["number"] for event in await commands.objects("events", "list", "--limit", "0")] == [5, 4, 3, 2, 1]
    assert [event["number"] for event in await commands.objects("events", "list", "--limit", "3")] == [5, 4, 3]


async def test_one_event_is_shown_with_its_tasks(stores: Stores, commands: Commands) -> None:
    """What follows from it, and how far that is."""
    await receive(stores, installed(), TASKS)
    await stores.tasks.enqueue(Task(TaskKind.ANSWER, "1"))
    [event] = await commands.objects("events", "show", "1")
    assert set(event) == FIELDS | {"tasks"}
    assert [(task["kind"], task["key"], task["state"]) for task in event["tasks"]] == [
        ("answer", "1", "waiting"),
        ("converge", INSTALLATION, "waiting"),
    ]
    text = await commands.run("events", "show", "1")
    assert "body kept" in text
    assert "converge" in text


async def test_an_event_that_is_not_there_ends_with_1(stores: Stores, commands: Commands) -> None:
    """For each command that takes a number."""
    for command in ("show", "retry"):
        assert await commands.run("events", command, "7", exit_code=1) == "There is no event 7.\n"


async def test_a_task_that_was_given_up_is_asked_for_again(stores: Stores, commands: Commands) -> None:
    """By the event that it follows from."""
    await receive(stores, installed(), TASKS)
    [claim] = await stores.tasks.claim("test", {TaskKind.CONVERGE: 1}, LEASE)
    await stores.tasks.give_up(claim, "refused for good")
    assert "refused for good" in await commands.run("events", "show", "1")
    assert await stores.tasks.next_due() is None
    assert await commands.objects("events", "retry", "1") == [{"kind": "converge", "key": INSTALLATION}]
    [again] = await stores.tasks.claim("test", {TaskKind.CONVERGE: 1}, LEASE)
    assert again.attempts == 0


async def test_a_sign_out_is_asked_for_again(stores: Stores, commands: Commands) -> None:
    """From its first round on."""
    await receive(stores, logged_out(), (TaskKind.SIGN_OUT,))
    [claim] = await stores.tasks.claim("test", {TaskKind.SIGN_OUT: 1}, LEASE)
    await stores.tasks.finish(claim)
    assert await commands.run("events", "retry", "1") == "Asked for: sign out 1#1\n"
    assert len(await stores.tasks.claim("test", {TaskKind.SIGN_OUT: 1}, LEASE)) == 1


@pytest.fixture
def settings_for_events(commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it takes to read an event, and still nothing of Keycloak."""
    app = f'[[apps]]\nid = "{event_samples.APP}"\nname = "Wallboard"\nstart_url = "https://wallboard.example"\n'
    (tmp_path / "config.toml").write_text(app)
    monkeypatch.setenv("BROKER_CONFIG_FILE", str(tmp_path / "config.toml"))


async def receive_untaken(stores: Stores, body: bytes, state: EventState = EventState.UNREADABLE) -> None:
    """An event as an earlier version kept it, without what it states."""
    parsed = event_samples.PARSER.parse(VerifiedBody(body)).event
    await stores.events.receive(replace(parsed, state=state), [], [])


@pytest.mark.usefixtures("settings_for_events")
async def test_a_kept_event_is_read_anew(stores: Stores, commands: Commands) -> None:
    """By today's parser; its tasks are due then."""
    await receive_untaken(stores, event_samples.body_of(event_samples.installed()))
    text = await commands.run("events", "retry", "1")
    assert f"Asked for: converge {event_samples.INSTALLATION}" in text
    assert [event["state"] for event in await commands.objects("events", "list")] == ["taken"]
    [installation] = await commands.objects("installations", "list")
    assert (installation["installation"], installation["state"]) == (event_samples.INSTALLATION, "active")
    assert len(await stores.tasks.claim("test", {TaskKind.CONVERGE: 9}, LEASE)) == 1


@pytest.mark.usefixtures("settings_for_events")
async def test_an_event_that_still_can_not_be_read_stays_as_it_is(stores: Stores, commands: Commands) -> None:
    """It is said, and nothing of the body with it."""
    await receive_untaken(stores, b'{"secret": "known-secret"}')
    text = await commands.run("events", "retry", "1", exit_code=1)
    assert "is still: unreadable" in text
    assert "known-secret" not in text


@pytest.mark.usefixtures("settings_for_events")
async def test_an_event_of_somebody_elses_app_is_not_taken_by_a_retry(stores: Stores, commands: Commands) -> None:
    """The checks are those of a delivery."""
    body = event_samples.body_of({**event_samples.installed(), "app_id": "another"})
    await receive_untaken(stores, body)
    assert "the app is not configured" in await commands.run("events", "retry", "1", exit_code=1)
    assert await commands.objects("installations", "list") == []


async def test_reading_an_event_anew_demands_its_settings(stores: Stores, commands: Commands) -> None:
    """By name, and none of Keycloak's."""
    await receive_unknown(stores)
    text = await commands.run("events", "retry", "1", exit_code=2)
    assert "BROKER_CONFIG_FILE: is missing" in text
    assert "KEYCLOAK" not in text


async def test_an_event_that_states_nothing_is_not_retried(stores: Stores, commands: Commands) -> None:
    """It is said, not passed over."""
    event = event_of(installed())
    await stores.events.receive(event, [], [])
    assert await commands.run("events", "retry", "1", exit_code=1) == "Nothing is left to be done for event 1.\n"


async def test_what_came_from_outside_moves_no_cursor(stores: Stores, commands: Commands) -> None:
    """Escape sequences, markup and bidirectional overrides are written out in a table, and escaped in JSON."""
    event = event_of(installed())
    evil = EventKey(EventId("e"), APP, "x\x1b[2J[red]\u202e\n", None)
    await stores.events.receive(Event(evil, event.account, at(0), EventState.UNREADABLE, b""), [], [])
    text = await commands.run("events", "list")
    assert "x\\u001b[2J[red]\\u202e\\u000a" in text
    assert "\x1b" not in text + await commands.run("events", "list", "--json")
