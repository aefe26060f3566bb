"""The intake: its steps in order, each with the answer that Talkdesk gets, and nothing in the log that does not belong there."""

from collections.abc import Sequence
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from structlog.testing import capture_logs

from broker.errors import EventRefused, StorageError
from broker.events.accept import Owners
from broker.events.receive import MAX_BODY_BYTES, Receive
from broker.model.event import Event, EventState
from broker.model.facts import Fact
from broker.model.names import AccountId, AppId
from broker.model.task import TaskKind
from broker.ports import Receipt
from broker.talkdesk.in_memory import InMemoryEventKeys
from broker.talkdesk.links import Hosts
from tests.unit.event_samples import (
    ACCOUNT,
    APP,
    CREDENTIALS,
    EVENT,
    INSTALLATION,
    KEY_ID,
    PARSER,
    ROOT,
    body_of,
    event,
    installed,
    sign,
    uninstalled,
    user_logout,
)

OF_IT = {"installation_id": INSTALLATION, "account_id": ACCOUNT}
OTHER_GATEWAY = "https://api.talkdeskapp.eu"
KEY = ec.generate_private_key(ec.SECP256R1())


class RecordingEvents:
    """Writes down what it is to store; says what it is told to say."""

    def __init__(self) -> None:
        self.stored: list[tuple[Event, Sequence[Fact], Sequence[TaskKind]]] = []
        self.receipt = Receipt.NEW
        self.error: StorageError | None = None

    async def receive(self, event: Event, facts: Sequence[Fact], tasks: Sequence[TaskKind]) -> Receipt:
        if self.error:
            raise self.error
        self.stored.append((event, facts, tasks))
        return self.receipt

    async def unanswered(self, installation: Any) -> Any:
        raise NotImplementedError

    async def get(self, number: str) -> Any:
        raise NotImplementedError

    async def get_whole(self, number: str) -> Any:
        raise NotImplementedError

    async def replay(self, number: str, event: Event, facts: Sequence[Fact], tasks: Sequence[TaskKind]) -> Receipt:
        raise NotImplementedError

    async def mark_answered(self, number: str, answer: str) -> None:
        raise NotImplementedError


class Intake:
    """A `Receive` and everything around it."""

    def __init__(self, accounts: set[AccountId] | None = None) -> None:
        self.keys = InMemoryEventKeys(
            Hosts(frozenset({"api.talkdeskapp.com", "api.talkdeskapp.eu"}), frozenset({"*.talkdeskid.com"}))
        )
        self.keys.keys[ROOT, KEY_ID] = KEY.public_key()
        self.events = RecordingEvents()
        self.wakes = 0
        gateways = (ROOT, OTHER_GATEWAY)
        self.receive = Receive(self.keys, self.events, PARSER, gateways, Owners({AppId(APP)}, accounts), self._wake)

    def _wake(self) -> None:
        self.wakes += 1

    async def deliver(self, content: Any) -> int:
        """Signed as Talkdesk signs."""
        body = content if isinstance(content, bytes) else body_of(content)
        return await self.receive(body, sign(KEY, body))

    async def refuses(self, content: Any, status: int, reason: str) -> None:
        """It is refused like that, and nothing is stored or woken."""
        with pytest.raises(EventRefused) as raised:
            await self.deliver(content)
        assert (raised.value.status, raised.value.reason) == (status, reason)
        assert self.events.stored == []
        assert self.wakes == 0


@pytest.fixture
def intake() -> Intake:
    """Any account may install."""
    return Intake()


@pytest.mark.parametrize(
    ("content", "kinds"),
    [
        (installed(), [TaskKind.CONVERGE]),
        (uninstalled(), [TaskKind.CONVERGE]),
        (user_logout(), [TaskKind.SIGN_OUT]),
        (event("app.updated", OF_IT), [TaskKind.SIGN_OUT, TaskKind.ANSWER]),
        (event("app.credentials_rotated", OF_IT | CREDENTIALS), [TaskKind.ANSWER]),
        (event("app.trial_ended", OF_IT), [TaskKind.CONVERGE]),
    ],
    ids=["installed", "uninstalled", "logout", "updated", "rotated", "trial"],
)
async def test_a_handled_event_is_stored_with_its_tasks(intake: Intake, content: Any, kinds: list[TaskKind]) -> None:
    """202, one fact, its tasks, and the worker wakes."""
    assert await intake.deliver(content) == 202
    [(stored, facts, tasks)] = intake.events.stored
    assert stored.state is EventState.TAKEN
    assert len(facts) == 1
    assert tasks == kinds
    assert intake.wakes == 1


async def test_a_duplicate_is_200_and_wakes_nobody(intake: Intake) -> None:
    """Talkdesk delivers at least once."""
    intake.events.receipt = Receipt.DUPLICATE
    assert await intake.deliver(installed()) == 200
    assert intake.wakes == 0


@pytest.mark.parametrize(
    ("content", "state"),
    [
        (event("app.new_thing", {}), EventState.UNKNOWN_TYPE),
        (event("app.installed", {}), EventState.UNREADABLE),
        (b"hello", EventState.UNREADABLE),
        (b"{}", EventState.UNREADABLE),
    ],
    ids=["unknown", "unreadable", "no JSON", "no app"],
)
async def test_what_is_signed_but_not_taken_is_kept_without_tasks(
    intake: Intake, content: Any, state: EventState
) -> None:
    """202, and nobody wakes."""
    assert await intake.deliver(content) == 202
    [(stored, facts, tasks)] = intake.events.stored
    assert stored.state is state
    assert (list(facts), list(tasks), intake.wakes) == ([], [], 0)


async def test_too_big_is_refused_before_anything_is_looked_at(intake: Intake) -> None:
    """413, also with a good signature; one byte less passes."""
    body = body_of(user_logout())
    padded = body + b" " * (MAX_BODY_BYTES - len(body))
    await intake.refuses(padded + b" ", 413, "too_big")
    assert await intake.deliver(padded) == 202


async def test_unsigned_is_401(intake: Intake) -> None:
    """Without signature nothing is read."""
    with pytest.raises(EventRefused) as raised:
        await intake.receive(body_of(installed()), {})
    assert (raised.value.status, raised.value.reason) == (401, "unsigned")
    assert intake.events.stored == []


async def test_badly_signed_is_401(intake: Intake) -> None:
    """Another key's signature, under the id of Talkdesk's."""
    body = body_of(installed())
    with pytest.raises(EventRefused) as raised:
        await intake.receive(body, sign(ec.generate_private_key(ec.SECP256R1()), body))
    assert (raised.value.status, raised.value.reason) == (401, "bad_signature")
    assert intake.events.stored == []


async def test_an_unknown_key_is_401(intake: Intake) -> None:
    """Talkdesk says that it has no such key."""
    intake.keys.keys.clear()
    await intake.refuses(installed(), 401, "unknown_key")


async def test_a_key_that_cannot_be_fetched_is_503(intake: Intake) -> None:
    """Talkdesk comes again."""
    intake.keys.unreachable.add(ROOT)
    await intake.refuses(installed(), 503, "key_unavailable")


async def test_an_event_of_a_gateway_that_is_not_listed_is_401(intake: Intake) -> None:
    """Whoever brings a gateway of his own brings a key of his own: the listed ones are not asked instead."""
    content = installed()
    content["_links"]["root"]["href"] = "https://api.evil.example"
    await intake.refuses(content, 401, "unknown_gateway")


async def test_a_body_without_root_is_tried_with_every_listed_gateway(intake: Intake) -> None:
    """Signed but unreadable is kept, whichever gateway it came from."""
    intake.keys.keys = {(OTHER_GATEWAY, KEY_ID): KEY.public_key()}
    assert await intake.deliver(b"hello") == 202


async def test_a_body_without_root_is_401_where_no_gateway_knows_the_key(intake: Intake) -> None:
    """Nobody vouches for it."""
    intake.keys.keys.clear()
    await intake.refuses(b"hello", 401, "unknown_key")


@pytest.mark.parametrize("unreachable", [ROOT, OTHER_GATEWAY])
async def test_a_body_without_root_is_503_where_a_gateway_does_not_answer(intake: Intake, unreachable: str) -> None:
    """That one may be the one that knows the key, whatever the others say."""
    intake.keys.keys.clear()
    intake.keys.unreachable.add(unreachable)
    await intake.refuses(b"hello", 503, "key_unavailable")


async def test_an_app_that_is_not_ours_is_403(intake: Intake) -> None:
    """Talkdesk signs the events of every vendor's apps."""
    await intake.refuses(installed() | {"app_id": "another"}, 403, "unknown_app")


async def test_an_unreadable_event_of_another_app_is_403_too(intake: Intake) -> None:
    """What can be read of it decides."""
    await intake.refuses(event("app.installed", {}) | {"app_id": "another"}, 403, "unknown_app")


async def test_an_account_that_is_not_listed_may_not_install() -> None:
    """ACCOUNTS=listed refuses strangers, their unreadable and unknown events included."""
    intake = Intake(accounts={AccountId("another")})
    await intake.refuses(installed(), 403, "account_not_listed")
    await intake.refuses(event("app.credentials_rotated", {"account_id": ACCOUNT}), 403, "account_not_listed")
    await intake.refuses(event("app.installed", {"account_id": ACCOUNT}), 403, "account_not_listed")


@pytest.mark.parametrize(
    "content",
    [
        uninstalled(),
        user_logout(),
        event("app.updated", OF_IT | {"users": {"removing": ["u1"]}}),
        event("app.trial_ended", OF_IT | {"ended_reason": "trial_expired"}),
    ],
    ids=["uninstalled", "logout", "removed", "expired"],
)
async def test_what_closes_a_door_is_heard_from_every_account(content: Any) -> None:
    """An account that was taken off the list can still leave."""
    assert await Intake(accounts={AccountId("another")}).deliver(content) == 202


async def test_a_listed_account_may_install() -> None:
    """The other side of the list."""
    assert await Intake(accounts={AccountId(ACCOUNT)}).deliver(installed()) == 202


async def test_an_installation_of_another_owner_is_403(intake: Intake) -> None:
    """An installation never changes its app or account."""
    intake.events.receipt = Receipt.OTHER_OWNER
    with pytest.raises(EventRefused) as raised:
        await intake.deliver(installed())
    assert (raised.value.status, raised.value.reason, intake.wakes) == (403, "other_owner", 0)


async def test_a_database_that_is_unavailable_is_503(intake: Intake) -> None:
    """Not stored, not accepted."""
    intake.events.error = StorageError("disk full")
    await intake.refuses(installed(), 503, "storage_unavailable")


async def test_every_delivery_has_one_log_line_without_secrets(intake: Intake) -> None:
    """Taken, kept, repeated and refused: ids and reason, never anything of the body's secrets."""
    unreadable = installed()
    del unreadable["data"]["key_id"]
    with capture_logs() as logs:
        await intake.deliver(installed())
        await intake.deliver(unreadable)
        intake.events.receipt = Receipt.DUPLICATE
        await intake.deliver(installed())
        for content in (installed() | {"app_id": "another"}, b"x" * (MAX_BODY_BYTES + 1)):
            with pytest.raises(EventRefused):
                await intake.deliver(content)
    assert [line["event"] for line in logs] == [
        "event taken",
        "event kept",
        "event is here already",
        "event refused",
        "event refused",
    ]
    assert [line.get("reason") for line in logs[3:]] == ["unknown_app", "too_big"]
    assert {
        "event_id": EVENT,
        "type": "app.installed",
        "account": ACCOUNT,
        "installation": INSTALLATION,
    }.items() <= logs[0].items()
    for name in ("client_secret", "private_key", "public_key"):
        assert CREDENTIALS[name] not in str(logs)
