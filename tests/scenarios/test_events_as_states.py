"""Events as a state machine: in whatever order, however often and however late they come, the end is what a small model of them says.

The model is written from docs/events.md, not from the fold: it looks at all that was sent, sorted by Talkdesk's time.
"""

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule
from sqlalchemy import select

from broker.converge.desired import OWNER_KEY
from broker.events.accept import tasks_of
from broker.model.event import Event, EventKey, EventState
from broker.model.facts import Fact, Installed, LicencesChanged, Rotated, TrialChanged, TrialStep, Uninstalled
from broker.model.installation import Closure
from broker.model.names import EventId, InstallationId, TalkdeskUserId
from broker.realm.in_memory import InMemoryIdentityProviders
from broker.storage import schema
from broker.storage.database import Database, open_database, upgrade
from tests.scenarios.converging import ACCOUNT, APP, BEGIN, INSTANCE, LINKS, credentials_of, world_on

ID = InstallationId("i1")
USERS = [TalkdeskUserId("ana"), TalkdeskUserId("bruno")]
KINDS = ["installed", "uninstalled", "credentials_rotated", "updated", "trial"]


@dataclass(frozen=True)
class Sent:
    """One event as Talkdesk means it."""

    number: int
    kind: str
    minute: int
    user: TalkdeskUserId = USERS[0]
    is_removal: bool = False
    step: TrialStep = TrialStep.STARTED

    @property
    def event(self) -> Event:
        """As it is received."""
        name = "app.trial_ended" if self.kind == "trial" else f"app.{self.kind}"
        key = EventKey(EventId(f"event-{self.number}"), APP, name, ID)
        return Event(key, ACCOUNT, BEGIN + timedelta(minutes=self.minute), EventState.TAKEN, b"{}")

    @property
    def fact(self) -> Fact:
        """What it states; each set of credentials has the event's number in its name."""
        owner, at = (ID, APP, ACCOUNT), BEGIN + timedelta(minutes=self.minute)
        match self.kind:
            case "installed":
                return Installed(*owner, "Acme", credentials_of(self.number), LINKS, at)
            case "uninstalled":
                return Uninstalled(*owner, at)
            case "credentials_rotated":
                return Rotated(*owner, credentials_of(self.number), at)
            case "updated":
                changed, none = frozenset({self.user}), frozenset[TalkdeskUserId]()
                return LicencesChanged(*owner, *((none, changed) if self.is_removal else (changed, none)), at)
        return TrialChanged(*owner, self.step, at, at, suspends=self.step is TrialStep.EXPIRED)


HAPPENINGS = st.builds(
    Sent,
    number=st.just(0),
    kind=st.sampled_from(KINDS),
    minute=st.integers(0, 5),
    user=st.sampled_from(USERS),
    is_removal=st.booleans(),
    step=st.sampled_from(TrialStep),
)


class Model:
    """What all that was sent comes to."""

    def __init__(self, sent: Sequence[Sent]) -> None:
        self.sent = sent
        last_in, last_out = self._last("installed"), self._last("uninstalled")
        self.is_known = max(last_in, last_out) >= 0
        self.is_installed = last_in > last_out
        # This life's events are those after the last uninstall.
        self.life = [each for each in sent if each.minute > last_out]
        self.last_out = last_out

    def _last(self, kind: str) -> int:
        return max((each.minute for each in self.sent if each.kind == kind), default=-1)

    @property
    def closure(self) -> Closure | None:
        """Why nobody gets in."""
        if not self.is_installed:
            return Closure.UNINSTALLED
        steps = [each for each in self.life if each.kind == "trial" and each.step is not TrialStep.ENDED]
        last = [each.step for each in steps if each.minute == max(each.minute for each in steps)]
        return Closure.TRIAL_EXPIRED if TrialStep.EXPIRED in last else None

    @property
    def key_ids(self) -> list[str]:
        """Key ids of the sets that are left: the newest, once everything is acknowledged."""
        sets = [each for each in self.life if each.kind in ("installed", "credentials_rotated")]
        ranked = sorted(sets, key=lambda each: (each.minute, each.kind == "credentials_rotated", f"key-{each.number}"))
        return [f"key-{ranked[-1].number}"] if ranked else []

    @property
    def early(self) -> list[str]:
        """Key ids of the sets whose install has not come."""
        return [f"key-{each.number}" for each in self.life if each.kind == "credentials_rotated"]

    def is_removed(self, user: TalkdeskUserId) -> bool:
        """Whether the person is shut out."""
        words = [each for each in self.life if each.kind == "updated" and each.user == user]
        last = [each.is_removal for each in words if each.minute == max(each.minute for each in words)]
        return any(last)

    @property
    def owed(self) -> set[str]:
        """Ids of events whose answer waits for an install that has not come."""
        waiting = [] if self.is_installed else self.life
        return {f"event-{each.number}" for each in waiting if each.kind in ("updated", "credentials_rotated")}


class EventsAsStates(RuleBasedStateMachine):
    """One installation; Talkdesk sends what it likes, the broker works when it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.loop = asyncio.Runner()
        self.database = self.open_database(Path(self.directory.name))
        self.loop.run(upgrade(self.database))
        self.realm = InMemoryIdentityProviders()
        self.world = world_on(self.database, self.realm)
        self.made: list[Sent] = []
        self.held: list[Sent] = []

    def open_database(self, directory: Path) -> Database:
        """The database that is judged; empty."""
        return open_database(f"sqlite:///{directory / 'broker.sqlite3'}")

    @rule(happening=HAPPENINGS, is_held=st.booleans())
    def send(self, happening: Sent, is_held: bool) -> None:
        """Something happens at Talkdesk; its event comes now, or is held up."""
        sent = replace(happening, number=len(self.made))
        self.made.append(sent)
        if is_held:
            self.held.append(sent)
        else:
            self._deliver(sent)

    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        """A delivery is repeated, or one that was held up comes at last."""
        if self.made:
            self._deliver(data.draw(st.sampled_from(self.made)))

    @rule()
    def work(self) -> None:
        """The broker does what is due."""
        assert self.loop.run(self.world.work()) == []

    def teardown(self) -> None:
        """Everything has come, and everything is done: judge."""
        try:
            for sent in self.held:
                self._deliver(sent)
            self.work()
            self.loop.run(self._judge(Model(self.made)))
        finally:
            self.loop.run(self.database.close())
            self.loop.close()
            self.directory.cleanup()

    def _deliver(self, sent: Sent) -> None:
        self.loop.run(self.world.stores.events.receive(sent.event, [sent.fact], tasks_of(sent.fact)))

    async def _judge(self, model: Model) -> None:
        stores = self.world.stores
        owed = {key.event for _, key in await stores.events.unanswered(ID)}
        # What was said while another install was believed to be the last stays said.
        assert owed == model.owed - await self._answered()
        self._acknowledged_in_order()
        found = await stores.installations.find(ID)
        ours = [each for each in self.realm._providers.values() if each["config"][OWNER_KEY] == INSTANCE]
        assert len(ours) == (1 if model.is_installed else 0)
        kept = await self._secrets_kept()
        if model.is_installed:
            assert len(kept) == 1
        else:
            unsaid = {f"key-{event.removeprefix('event-')}" for event in owed}
            assert unsaid & set(model.early) <= kept <= set(model.early)
        if not model.is_known:
            assert found is None
            return
        assert found is not None
        assert found.closure is model.closure
        if model.is_installed:
            assert [each.credentials.key_id for each in found.credential_sets] == model.key_ids
            assert found.credentials == found.credential_sets[0].credentials
            for user in USERS:
                assert await stores.installations.is_removed(found, user) is model.is_removed(user)

    async def _answered(self) -> set[str]:
        """Ids of the events to which something was said."""
        query = select(schema.event.c.event_id).where(schema.event.c.answer.in_(("approve", "acknowledge")))
        return set(await self.database.read(lambda connection: connection.scalars(query).all()))

    async def _secrets_kept(self) -> set[str]:
        """Key ids of the credentials that the database has, whether or not they count for anything."""
        query = select(schema.event.c.event_id).join(schema.fact).where(schema.fact.c.credentials.is_not(None))
        events = await self.database.read(lambda connection: connection.scalars(query).all())
        return {f"key-{event.removeprefix('event-')}" for event in events}

    def _acknowledged_in_order(self) -> None:
        """To acknowledge an older set after a newer one would end the newer."""
        minutes = {f"client-{each.number}": each.minute for each in self.made}
        told = [word.split()[1] for word, _ in self.world.talkdesk.told if word.startswith("acknowledge ")]
        assert [minutes[client] for client in told] == sorted(minutes[client] for client in told)


TestEventsAsStates = pytest.mark.thorough(EventsAsStates.TestCase)
EventsAsStates.TestCase.settings = settings(max_examples=60, stateful_step_count=14, deadline=None)
