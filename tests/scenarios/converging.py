"""A broker that converges: real stores on SQLite, a realm, and a Talkdesk that remembers what it was told.

Everything outside can be made to die at any step, before or after the step had its effect.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from sqlalchemy import select

from broker.converge.answer import Answer
from broker.converge.desired import Deployment, desired_mapper, desired_provider
from broker.converge.merge import writable
from broker.converge.provision import Converge
from broker.converge.rotation import AnswerRotation
from broker.errors import NotYet, OutsideError, TalkdeskError
from broker.model.credentials import Credentials, Links
from broker.model.event import Event, EventKey, EventState
from broker.model.facts import InstallationFact, Installed, Uninstalled
from broker.model.identity_provider import ProviderState
from broker.model.installation import Installation
from broker.model.names import AccountId, AppId, EventId, InstallationId, alias_of, slug_of
from broker.model.task import Claim, Task, TaskKind
from broker.ports import IdentityProviders, Json, Receipt
from broker.storage import schema
from broker.storage.database import Database, open_database, upgrade
from broker.storage.sealing import Sealer
from broker.storage.stores import Stores, open_stores

APP = AppId("f918e2623486417791f3b5a18ca746ce")
ACCOUNT = AccountId("5e8d60283cc24683a9523319")
STRANGER = AccountId("000000000000000000000bad")
INSTANCE = "instance-under-test"
BEGIN = datetime(2026, 11, 25, 9, 0, tzinfo=UTC)


class Crash(BaseException):
    """The process dies; nothing catches it."""


@dataclass
class Steps:
    """Counts the steps of everything that it wraps, and dies at the chosen one."""

    taken: list[str] = field(default_factory=list)
    """What had its effect, in order."""
    dies_at: int | None = None
    """Number of the step, from 0, counted from the last `start`."""
    dies_after_effect: bool = False
    _count: int = 0

    def start(self, dies_at: int | None, *, after_effect: bool = False) -> None:
        """Count anew."""
        self._count, self.dies_at, self.dies_after_effect = 0, dies_at, after_effect

    def wrap(self, target: Any) -> Any:
        """The same object, each of whose calls is a step."""
        return _Stepping(target, self)

    async def take(self, name: str, call: Any) -> Any:
        """One step."""
        is_last = self._count == self.dies_at
        self._count += 1
        if is_last and not self.dies_after_effect:
            call.close()
            raise Crash
        result = await call
        self.taken.append(name)
        if is_last:
            raise Crash
        return result


class _Stepping:
    def __init__(self, target: Any, steps: Steps) -> None:
        self._target, self._steps = target, steps

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._target, name)
        return lambda *args, **kwargs: self._steps.take(name, method(*args, **kwargs))


@dataclass
class Talkdesk:
    """Port `Apps`: what it was told, and how it answers."""

    told: list[tuple[str, InstallationId]] = field(default_factory=list)
    error: TalkdeskError | None = None

    async def approve(self, installation: Installation) -> None:
        """Remember, or refuse."""
        await self._hear("approve", installation)

    async def reject(self, installation: Installation, reason: str) -> None:
        """Remember, or refuse."""
        assert reason
        await self._hear("reject", installation)

    async def prove(self, installation: Installation, credentials: Credentials) -> None:
        """Remember, or refuse."""
        await self._hear(f"prove {credentials.client_id}", installation)

    async def acknowledge(self, installation: Installation, credentials: Credentials) -> None:
        """Remember, or refuse."""
        await self._hear(f"acknowledge {credentials.client_id}", installation)

    async def _hear(self, word: str, installation: Installation) -> None:
        if self.error:
            raise self.error
        assert installation.credentials is not None, "nothing can be said without credentials"
        self.told.append((word, installation.id))


@dataclass
class World:
    """A broker, its realm, and what it did."""

    database: Database
    stores: Stores
    providers: IdentityProviders
    talkdesk: Talkdesk
    steps: Steps
    converge: Converge
    answer: Answer
    clock: list[datetime]
    """The time of the broker; a test that wants another one replaces it."""
    _events: int = 0

    async def install(
        self, installation: InstallationId, *, at: int = 0, account: AccountId = ACCOUNT, name: str = "Acme"
    ) -> str:
        """An `app.installed` of this minute arrives; number of its event."""
        fact = Installed(installation, APP, account, name, credentials_of(at), LINKS, BEGIN + timedelta(minutes=at))
        return await self._receive("app.installed", fact)

    async def uninstall(self, installation: InstallationId, *, at: int, account: AccountId = ACCOUNT) -> str:
        """An `app.uninstalled` of this minute arrives; number of its event."""
        fact = Uninstalled(installation, APP, account, BEGIN + timedelta(minutes=at))
        return await self._receive("app.uninstalled", fact)

    async def _receive(self, kind: str, fact: InstallationFact) -> str:
        self._events += 1
        key = EventKey(EventId(f"event-{self._events}"), APP, kind, fact.installation)
        event = Event(key, fact.account, fact.created_at, EventState.TAKEN, b"{}")
        assert await self.stores.events.receive(event, [fact], [TaskKind.CONVERGE]) is Receipt.NEW
        return (await self.stores.events.unanswered(fact.installation))[-1][0]

    async def answer_to(self, number: str) -> str | None:
        """What is on record as the answer to this event."""
        query = select(schema.event.c.answer).where(schema.event.c.number == int(number))
        answer: str | None = await self.database.read(lambda connection: connection.execute(query).scalar_one())
        return answer

    async def work(self) -> Sequence[OutsideError]:
        """Carry out what is due, one task after the other; the errors. What failed waits for an hour."""
        errors: list[OutsideError] = []
        while claim := await self._claim():
            try:
                await self._carry_out(claim)
            except NotYet:
                # Waits for a sign-out, which comes first in the next round.
                await self.stores.tasks.postpone(claim, timedelta(), "")
            except OutsideError as error:
                errors.append(error)
                await self.stores.tasks.postpone(claim, timedelta(hours=1), "")
            except Crash:
                # In place of waiting until the dead worker's lease has run out.
                await self.stores.tasks.postpone(claim, timedelta(), "")
                raise
            else:
                await self.stores.tasks.finish(claim)
        return errors

    async def _carry_out(self, claim: Claim) -> None:
        if claim.task.kind is TaskKind.CONVERGE:
            await self.converge(claim)
        elif claim.task.kind is TaskKind.ANSWER:
            await self.answer(claim)

    async def _claim(self) -> Claim | None:
        # Answers before converges: what a converge asks for too early is then done before the next converge could mend it.
        for kind in (TaskKind.SIGN_OUT, TaskKind.ANSWER, TaskKind.CONVERGE):
            for claim in await self.stores.tasks.claim("worker", {kind: 1}, timedelta(hours=1)):
                return claim
        return None

    async def converge_again(self, installation: InstallationId) -> Sequence[OutsideError]:
        """As when something asks for it once more: a repeated task, a reconcile."""
        await self.stores.tasks.enqueue(Task(TaskKind.CONVERGE, installation))
        return await self.work()


LINKS = Links(
    root="https://api.talkdeskapp.com",
    authorization="https://acme.talkdeskid.com/oauth/authorize",
    token="https://acme.talkdeskid.com/oauth/token",
    userinfo="https://api.talkdeskapp.com/userinfo",
)


def credentials_of(minute: int) -> Credentials:
    """Those of an install of this minute."""
    return Credentials(f"client-{minute}", SecretStr("secret"), SecretStr("key"), f"key-{minute}", "ES256")


async def open_world(path: Path, providers: IdentityProviders) -> World:
    """A new broker in front of this realm; its database is the caller's to close."""
    database = open_database(f"sqlite:///{path}")
    await upgrade(database)
    return world_on(database, providers)


def world_on(database: Database, providers: IdentityProviders) -> World:
    """A broker on this database, whose schema is current, in front of this realm."""
    stores = open_stores(database, Sealer({"k": bytes(32)}, "k"), lambda: BEGIN)
    steps, talkdesk, clock = Steps(), Talkdesk(), [BEGIN]

    async def end_sessions(installation: Installation) -> None:
        assert not installation.is_active

    async def step_of_ending(installation: Installation) -> None:
        await steps.take("end_sessions", end_sessions(installation))

    converge = Converge(
        events=steps.wrap(stores.events),
        installations=steps.wrap(stores.installations),
        records=steps.wrap(stores.provider_records),
        tasks=steps.wrap(stores.tasks),
        providers=steps.wrap(providers),
        repairs=steps.wrap(stores.repairs),
        deployment=Deployment("https://broker.example.com", "https://broker.internal", INSTANCE),
        app_names={APP: "Wallboard"},
        is_welcome=lambda account: account != STRANGER,
        end_sessions=step_of_ending,
        now=lambda: clock[0],
    )
    answer = Answer(
        events=steps.wrap(stores.events),
        installations=steps.wrap(stores.installations),
        records=steps.wrap(stores.provider_records),
        logouts=steps.wrap(stores.logouts),
        apps=steps.wrap(talkdesk),
        rotation=AnswerRotation(
            steps.wrap(stores.installations), steps.wrap(talkdesk), steps.wrap(stores.one_time_values), lambda: clock[0]
        ),
        is_welcome=converge.is_welcome,
        now=lambda: clock[0],
    )
    return World(database, stores, providers, talkdesk, steps, converge, answer, clock)


async def complete(world: World, installation: InstallationId, generation: int) -> Json:
    """What is there under the alias of this generation, after a check that it is complete with its mapper."""
    alias = alias_of(slug_of(installation), generation)
    [mapper] = await world.providers.mappers(alias)
    assert {name: value for name, value in mapper.items() if name != "id"} == desired_mapper(alias)
    found = await world.providers.find(alias)
    assert found is not None
    state = await world.stores.installations.find(installation)
    assert state is not None
    assert writable(found) == desired_provider(state, "Wallboard", alias, world.converge.deployment)
    return found


async def state_of(world: World, installation: InstallationId) -> tuple[int, ProviderState]:
    """Generation and state of the newest record."""
    record = await world.stores.provider_records.find_latest(installation)
    assert record is not None
    return record.generation, record.state


async def steps_of_an_install(world: World) -> list[str]:
    """Names of the steps of an undisturbed install, in order."""
    other = InstallationId("undisturbed")
    first = len(world.steps.taken)
    await world.install(other)
    await world.work()
    return world.steps.taken[first:]
