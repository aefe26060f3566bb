"""What Talkdesk is told, and when: never before the realm is what the event says."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from broker.errors import KeycloakError, TalkdeskError
from broker.model.names import Alias, InstallationId, alias_of, slug_of
from broker.model.task import Task, TaskKind
from broker.ports import Events, Installations, Json
from broker.realm.in_memory import InMemoryIdentityProviders
from tests.scenarios.converging import BEGIN, World, credentials_of, open_world

pytestmark = pytest.mark.thorough

INSTALLATION = InstallationId("4400ebd85fa04322abf5b64de93dc913")
FIRST = alias_of(slug_of(INSTALLATION), 1)
AWAY = TalkdeskError("no answer", status=503)


class Interrupted(InMemoryIdentityProviders):
    """A realm in which something happens while the broker is setting up an identity provider."""

    async def meanwhile(self) -> None:
        """Nothing, if a test says nothing else."""

    async def create_mapper(self, alias: Alias, mapper: Json) -> None:
        """Add one, meanwhile."""
        await self.meanwhile()
        await super().create_mapper(alias, mapper)


@dataclass(frozen=True)
class Interrupting:
    """A store in which something happens as soon as one of its methods has read."""

    store: Any
    method: str
    meanwhile: Callable[[], Awaitable[None]]

    def __getattr__(self, name: str) -> Any:
        call = getattr(self.store, name)
        return self._read if name == self.method else call

    async def _read(self, *arguments: Any) -> Any:
        found = await getattr(self.store, self.method)(*arguments)
        await self.meanwhile()
        return found


@pytest.fixture
def realm() -> Interrupted:
    """The realm."""
    return Interrupted()


@pytest.fixture
async def world(tmp_path: Path, realm: Interrupted) -> AsyncIterator[World]:
    """A new broker in front of it."""
    world = await open_world(tmp_path / "broker.sqlite3", realm)
    yield world
    await world.database.close()


async def credentials_are_kept(world: World) -> bool:
    """Whether the installation still has credentials."""
    state = await world.stores.installations.find(INSTALLATION)
    assert state is not None
    return state.credentials is not None


async def ask_again(world: World, *numbers: str) -> None:
    """What failed is due again."""
    for number in numbers:
        await world.stores.tasks.enqueue(Task(TaskKind.ANSWER, number))


async def test_an_uninstall_during_the_set_up_is_acknowledged_after_its_own_converge(
    world: World, realm: Interrupted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The converge that runs knows nothing of it; credentials must not go before the identity provider."""
    numbers: list[str] = []

    async def meanwhile() -> None:
        numbers.append(await world.uninstall(INSTALLATION, at=1))

    monkeypatch.setattr(realm, "meanwhile", meanwhile)
    installed = await world.install(INSTALLATION)

    assert await world.work() == []

    order = [step for step in world.steps.taken if step in ("mark_live", "delete", "approve", "erase_credentials")]
    assert order == ["mark_live", "delete", "approve", "erase_credentials"]
    assert await world.answer_to(installed) == "none owed"
    assert [await world.answer_to(number) for number in numbers] == ["acknowledge"]


async def test_an_uninstall_that_arrives_while_an_answer_is_read_up_is_acknowledged(world: World) -> None:
    """Between the two reads of an answer's task: the install is answered too late then, but no credentials may go before the uninstall's answer."""
    installed = await world.install(INSTALLATION)
    numbers: list[str] = []

    async def meanwhile() -> None:
        if not numbers:
            numbers.append(await world.uninstall(INSTALLATION, at=1))

    answer = world.answer
    world.answer = replace(
        answer,
        events=cast(Events, Interrupting(answer.events, "unanswered", meanwhile)),
        installations=cast(Installations, Interrupting(answer.installations, "find", meanwhile)),
    )
    await ask_again(world, installed)

    assert await world.work() == []

    assert [await world.answer_to(number) for number in numbers] == ["acknowledge"]
    assert world.talkdesk.told == [("approve", INSTALLATION)]
    assert not await credentials_are_kept(world)


async def test_an_install_that_talkdesk_does_not_hear_is_approved_later(world: World) -> None:
    """Talkdesk is away: the answer stays owed."""
    world.talkdesk.error = AWAY
    number = await world.install(INSTALLATION)
    assert await world.work() == [AWAY]
    assert await world.answer_to(number) is None

    world.talkdesk.error = None
    await ask_again(world, number)
    await world.work()

    assert await world.answer_to(number) == "approve"


async def test_an_answer_is_given_once(world: World) -> None:
    """Asked for again after it was given, it says nothing."""
    number = await world.install(INSTALLATION)
    await world.work()

    await ask_again(world, number)
    assert await world.work() == []

    assert world.talkdesk.told == [("approve", INSTALLATION)]


async def test_an_install_whose_identity_provider_is_lost_waits_for_the_next_one(world: World) -> None:
    """Approved would mean that people can sign on."""
    world.talkdesk.error = AWAY
    number = await world.install(INSTALLATION)
    await world.work()
    world.talkdesk.error = None
    await world.stores.provider_records.mark_withdrawn(FIRST)

    await ask_again(world, number)
    assert await world.work() == []
    assert await world.answer_to(number) is None

    await world.converge_again(INSTALLATION)
    assert await world.answer_to(number) == "approve"


@pytest.mark.parametrize(
    "error",
    [TalkdeskError("gone", status=status) for status in (401, 403, 404)]
    + [TalkdeskError("invalid_client", status=400, is_final=True)],
)
async def test_an_uninstall_that_is_over_at_talkdesk_is_acknowledged(world: World, error: TalkdeskError) -> None:
    """The credentials were dead by the time that we spoke: nobody is left to be told."""
    await world.install(INSTALLATION)
    await world.work()
    world.talkdesk.error = error
    number = await world.uninstall(INSTALLATION, at=1)

    assert await world.work() == []

    assert await world.answer_to(number) == "acknowledge"
    assert not await credentials_are_kept(world)


@pytest.mark.parametrize("status", [None, 429, 500, 503])
async def test_credentials_are_kept_until_the_uninstall_is_acknowledged(world: World, status: int | None) -> None:
    """They are what we speak with."""
    await world.install(INSTALLATION)
    await world.work()
    error = TalkdeskError("not now", status=status)
    world.talkdesk.error = error
    number = await world.uninstall(INSTALLATION, at=1)

    assert await world.work() == [error]
    assert await credentials_are_kept(world)
    assert await world.answer_to(number) is None

    world.talkdesk.error = None
    await ask_again(world, number)
    await world.work()
    assert await world.answer_to(number) == "acknowledge"
    assert not await credentials_are_kept(world)


async def test_an_uninstall_before_a_new_install_is_not_acknowledged_in_its_name(world: World) -> None:
    """To approve would speak for the new install, whose credentials stay while the old ones go."""
    await world.install(INSTALLATION, at=0)
    await world.work()
    world.talkdesk.error = AWAY
    uninstalled = await world.uninstall(INSTALLATION, at=1)
    await world.work()
    world.talkdesk.error = None
    world.talkdesk.told.clear()
    installed = await world.install(INSTALLATION, at=2)

    await ask_again(world, uninstalled)
    assert await world.work() == []

    assert await world.answer_to(uninstalled) == "none owed"
    assert await world.answer_to(installed) == "approve"
    assert world.talkdesk.told == [("approve", INSTALLATION)]
    state = await world.stores.installations.find(INSTALLATION)
    assert state is not None
    assert state.credentials == credentials_of(2)


async def test_an_uninstall_without_credentials_is_owed_nothing(world: World) -> None:
    """Nothing was ever given to speak with."""
    number = await world.uninstall(INSTALLATION, at=1)

    assert await world.work() == []

    assert await world.answer_to(number) == "none owed"
    assert world.talkdesk.told == []


async def test_an_install_that_comes_after_its_uninstall_is_owed_nothing_and_forgotten(world: World) -> None:
    """Late, it opens nothing; the credentials that it brings are not kept either."""
    await world.uninstall(INSTALLATION, at=1)
    await world.work()
    number = await world.install(INSTALLATION, at=0)

    assert await world.work() == []

    assert await world.answer_to(number) == "none owed"
    assert not await credentials_are_kept(world)


@pytest.mark.parametrize(
    ("age", "is_alarming", "is_final"),
    [(timedelta(days=5), False, False), (timedelta(days=6, hours=1), True, False), (timedelta(days=8), True, True)],
)
async def test_an_answer_that_talkdesk_refuses_is_tried_until_the_deadline(
    world: World, age: timedelta, is_alarming: bool, is_final: bool
) -> None:
    """A 404 may be a mistake that is mended; a day before the end somebody is called."""
    world.talkdesk.error = TalkdeskError("no such installation", status=404, is_final=True)
    world.clock[0] += age
    number = await world.install(INSTALLATION)
    [error] = await world.work()
    assert (error.is_alarming, error.is_final) == (is_alarming, is_final)
    assert await world.answer_to(number) is None


async def test_a_realm_that_refuses_alarms_for_the_answer_that_waits_for_it(
    world: World, realm: Interrupted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is not even due yet: it is the converge that has to be seen. It goes on, also after the deadline."""

    async def meanwhile() -> None:
        raise KeycloakError("forbidden", status=403, is_final=True)

    monkeypatch.setattr(realm, "meanwhile", meanwhile)
    await world.install(INSTALLATION)
    for age, is_alarming in ((timedelta(days=1), False), (timedelta(days=6), True), (timedelta(days=9), True)):
        world.clock[0] = BEGIN + age
        [error] = await world.converge_again(INSTALLATION)
        assert (error.is_alarming, error.is_final) == (is_alarming, False)
    assert world.talkdesk.told == []
