"""What was kept and could not be taken is read anew after an upgrade, as if it had come now."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from broker.errors import EventRefused
from broker.events.accept import Owners
from broker.events.parse import Parser
from broker.events.replay import Replay, ReplayRefused
from broker.model.event import Event, EventState
from broker.model.names import AccountId, AppId, InstallationId
from broker.model.task import TaskKind
from broker.ports import Receipt
from broker.storage.stores import Stores
from tests.stores import opened_stores
from tests.unit.event_samples import ACCOUNT, APP, INSTALLATION, PARSER, body_of, installed, parse

KNOWN = InstallationId(INSTALLATION)


@dataclass
class Kept:
    """An install that an older version could not read."""

    stores: Stores
    event: Event
    number: str
    wakes: int = 0

    def replay(self, parser: Parser = PARSER, accounts: set[AccountId] | None = None) -> Replay:
        """Today's version."""

        def wake() -> None:
            self.wakes += 1

        return Replay(self.stores.events, parser, Owners({AppId(APP)}, accounts), wake)


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Kept]:
    """Kept, sealed."""
    async with opened_stores(tmp_path) as stores:
        event = replace(parse(installed()).event, state=EventState.UNREADABLE)
        # Its answer task is a way to learn the row's number.
        assert await stores.events.receive(event, [], [TaskKind.ANSWER]) is Receipt.NEW
        yield Kept(stores, event, "1")


async def test_a_kept_event_is_taken_with_its_facts_and_tasks(kept: Kept) -> None:
    """The installation is there, the answer is owed, the worker wakes."""
    assert await kept.stores.installations.find(KNOWN) is None
    assert await kept.replay()(kept.number) is EventState.TAKEN
    found = await kept.stores.installations.find(KNOWN)
    assert found is not None
    assert found.credentials is not None
    assert [number for number, _ in await kept.stores.events.unanswered(KNOWN)] == [kept.number]
    assert kept.wakes == 1


async def test_an_event_is_replayed_once(kept: Kept) -> None:
    """What was taken is not read again: its tasks do the rest."""
    await kept.replay()(kept.number)
    with pytest.raises(ReplayRefused, match="taken"):
        await kept.replay()(kept.number)
    assert kept.wakes == 1


async def test_an_event_that_came_again_meanwhile_is_not_taken_twice(kept: Kept) -> None:
    """Unreadable, it was kept under the hash of its body; read by the new version, it has its own id."""
    body = body_of(installed() | {"created_at": "2017-08-18T10:29:52.000+00:00"})
    unreadable = Event(
        replace(kept.event.key, event=parse(b"x").event.key.event), None, None, EventState.UNREADABLE, body
    )
    await kept.stores.events.receive(unreadable, [], [])
    await kept.replay()(kept.number)
    with pytest.raises(ReplayRefused, match="once more"):
        await kept.replay()("2")
    assert len(await kept.stores.events.unanswered(KNOWN)) == 1


async def test_what_can_not_be_read_today_either_stays_as_it_is(kept: Kept) -> None:
    """The state is what today's parser says."""

    def refuse(_: str) -> str:
        from broker.errors import LinkRefused

        raise LinkRefused("not listed")

    parser = Parser(check_link=refuse, check_gateway=refuse)
    assert await kept.replay(parser)(kept.number) is EventState.UNREADABLE
    assert await kept.stores.installations.find(KNOWN) is None
    assert await kept.replay()(kept.number) is EventState.TAKEN, "and it can be tried again"


async def test_a_replay_is_judged_by_todays_settings(kept: Kept) -> None:
    """As any delivery is: an account that is not listed today has nothing replayed."""
    with pytest.raises(EventRefused) as raised:
        await kept.replay(accounts={AccountId("another")})(kept.number)
    assert raised.value.reason == "account_not_listed"
    assert await kept.stores.installations.find(KNOWN) is None
    assert await kept.replay(accounts={AccountId(ACCOUNT)})(kept.number) is EventState.TAKEN


async def test_an_event_whose_body_is_erased_can_not_be_replayed(kept: Kept) -> None:
    """Nothing is left to read."""
    assert kept.event.created_at is not None
    await kept.stores.installations.erase_credentials(KNOWN, kept.event.created_at)
    with pytest.raises(ReplayRefused, match="erased"):
        await kept.replay()(kept.number)


async def test_an_unknown_number_raises(kept: Kept) -> None:
    """KeyError, as `get` does."""
    with pytest.raises(KeyError):
        await kept.replay()("999")
