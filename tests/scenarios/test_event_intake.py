"""Events from the stand-in Talkdesk, signed, over HTTP, into a real SQLite file: every open reading of the protocol is taken."""

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from structlog.testing import capture_logs

from broker.errors import EventRefused
from broker.events.accept import Owners
from broker.events.endpoint import router
from broker.events.parse import Parser
from broker.events.receive import Receive
from broker.model.names import AccountId, AppId, InstallationId
from broker.model.task import TaskKind
from broker.outbound import http_client
from broker.storage.stores import Stores
from broker.talkdesk.event_keys import BURST, REFILL, EventKeys
from broker.talkdesk.links import Hosts
from broker.talkdesk.wire import Wire
from demo.server import HttpServer
from demo.talkdesk import ACME, ANA, GLOBEX, WALLBOARD_ID, Delivery, Endpoint, Silence, StandIn, Variants, apps_at
from demo.talkdesk import events as stand_in_events
from demo.talkdesk.keys import private_key_text
from demo.talkdesk.variants import (
    CreatedAt,
    EnvelopeNames,
    EventCurve,
    KeyEncoding,
    KeyField,
    SignatureForm,
    TokenLink,
)
from tests.stores import opened_stores

HOSTS = Hosts(frozenset(), frozenset(), is_insecure=True)


@dataclass
class Intake:
    """Stand-in, endpoint and stores."""

    talkdesk: StandIn
    stores: Stores
    folder: Path
    receive: Receive

    async def tasks(self) -> set[tuple[TaskKind, str]]:
        """What is due."""
        wanted = dict.fromkeys(TaskKind, 100)
        return {
            (claim.task.kind, claim.task.key)
            for claim in await self.stores.tasks.claim("test", wanted, timedelta(minutes=1))
        }


OpenIntake = Callable[..., Any]


@pytest.fixture
def opened(tmp_path: Path) -> OpenIntake:
    """Opens an intake."""

    @asynccontextmanager
    async def open_it(
        *, variants: Variants | None = None, accounts: frozenset[AccountId] | None = None
    ) -> AsyncIterator[Intake]:
        app = FastAPI()
        server = HttpServer()
        talkdesk = StandIn(apps=apps_at(server.url), variants=variants)
        async with opened_stores(tmp_path) as stores, http_client() as client:
            keys = EventKeys(Wire(client, HOSTS), lambda: datetime.now(UTC))
            parser = Parser(HOSTS.check, HOSTS.check_gateway)
            apps = {AppId(WALLBOARD_ID)}
            receive = Receive(keys, stores.events, parser, (talkdesk.url,), Owners(apps, accounts), lambda: None)
            app.include_router(router(receive))
            await talkdesk.start()
            await server.start(app)
            try:
                yield Intake(talkdesk, stores, tmp_path, receive)
            finally:
                await server.stop()
                await talkdesk.stop()

    return open_it


@pytest.fixture
async def intake(opened: OpenIntake) -> AsyncIterator[Intake]:
    """As the protocol is likeliest meant."""
    async with opened() as intake:
        yield intake


def reason_of(delivery: Delivery) -> tuple[int | None, str]:
    """The last answer."""
    return delivery.status, delivery.attempts[-1].answer


async def install(intake: Intake) -> Any:
    """An installation whose event was taken."""
    installation = await intake.talkdesk.install(ACME, intake.talkdesk.app("Wallboard"))
    assert intake.talkdesk.deliveries[-1].status == 202
    return installation


VARIANTS = list(
    dict.fromkeys(
        [
            Variants(),
            *(Variants(key_field=field) for field in KeyField),
            *(Variants(key_encoding=encoding) for encoding in KeyEncoding),
            *(Variants(event_curve=curve, signature_form=form) for curve in EventCurve for form in SignatureForm),
            *(Variants(token_link=link) for link in TokenLink),
            *(Variants(envelope_names=names) for names in EnvelopeNames),
            *(Variants(created_at=form) for form in CreatedAt),
        ]
    )
)


def name_of(variants: Variants) -> str:
    """What differs from the default."""
    default = vars(Variants())
    return " ".join(str(value) for name, value in vars(variants).items() if value != default[name]) or "default"


@pytest.mark.parametrize("variants", VARIANTS, ids=name_of)
async def test_every_open_reading_of_the_protocol_is_taken(opened: OpenIntake, variants: Variants) -> None:
    """Installed, signed out and uninstalled: three facts and their tasks, whichever reading Talkdesk has."""
    async with opened(variants=variants) as intake:
        installation = await install(intake)
        credentials = installation.current.credentials
        known = await intake.stores.installations.find(InstallationId(installation.id))
        assert known is not None
        assert known.is_active
        assert known.credentials is not None
        assert known.credentials.private_key.get_secret_value() == private_key_text(credentials)
        assert known.links is not None
        assert known.links.token == intake.talkdesk.state.addresses.token(ACME)
        assert await intake.tasks() == {(TaskKind.CONVERGE, installation.id)}
        (logout,) = await intake.talkdesk.user_logout(ANA)
        assert logout.status == 202
        assert {kind for kind, _ in await intake.tasks()} == {TaskKind.SIGN_OUT}
        assert (await intake.talkdesk.uninstall(installation)).status == 202
        gone = await intake.stores.installations.find(InstallationId(installation.id))
        assert gone is not None
        assert not gone.is_active


async def test_a_second_delivery_is_200_and_asks_for_nothing(intake: Intake) -> None:
    """The same event, however often it comes."""
    await install(intake)
    await intake.tasks()
    event = intake.talkdesk.deliveries[-1].event
    assert (await intake.talkdesk.deliver(event)).status == 200
    assert await intake.tasks() == set()


async def test_the_key_is_fetched_once(intake: Intake) -> None:
    """And a new key of Talkdesk's is found by its id."""
    await install(intake)
    await install(intake)
    assert len(intake.talkdesk.calls_to(Endpoint.SIGNATURE_KEY)) == 1
    intake.talkdesk.new_event_key()
    await install(intake)
    assert len(intake.talkdesk.calls_to(Endpoint.SIGNATURE_KEY)) == 2


async def test_a_flood_of_made_up_keys_reaches_neither_talkdesk_nor_real_events(intake: Intake) -> None:
    """Ten thousand deliveries with invented key ids, real ones in between: those are taken, and Talkdesk hears of a handful."""
    installation = await install(intake)  # whose key is the first that the budget pays for
    asked = len(intake.talkdesk.calls_to(Endpoint.SIGNATURE_KEY))
    event = stand_in_events.uninstalled(intake.talkdesk.state, installation)
    headers = {name.lower(): value for name, value in intake.talkdesk.courier.signature_headers(event.body).items()}
    began = time.monotonic()
    refused: Counter[int] = Counter()
    for number in range(10_000):
        if number % 1000 == 500:
            assert (await intake.talkdesk.user_logout(ANA))[0].status == 202
        try:
            await intake.receive(event.body, headers | {"x-hub-ecdsa-signature-id": f"made-up-{number}"})
        except EventRefused as error:
            refused[error.status] += 1
    refilled = (time.monotonic() - began) / REFILL.total_seconds()
    reached = len(intake.talkdesk.calls_to(Endpoint.SIGNATURE_KEY)) - asked
    assert refused == {401: reached, 503: 10_000 - reached}
    assert BURST - 1 <= reached <= BURST + refilled


async def test_a_key_that_cannot_be_fetched_is_503_and_taken_when_talkdesk_comes_again(intake: Intake) -> None:
    """Nothing is lost."""
    intake.talkdesk.faults.next(Endpoint.SIGNATURE_KEY, Silence.DROP)
    installation = await intake.talkdesk.install(ACME, intake.talkdesk.app("Wallboard"))
    delivery = intake.talkdesk.deliveries[-1]
    assert reason_of(delivery) == (503, '{"reason":"key_unavailable"}')
    await intake.talkdesk.retry_now(delivery)
    assert delivery.status == 202
    assert await intake.stores.installations.find(InstallationId(installation.id)) is not None


@pytest.mark.parametrize("attack", ["unsigned", "another body", "unknown key", "another gateway"])
async def test_what_talkdesk_did_not_sign_is_401_and_leaves_nothing(intake: Intake, attack: str) -> None:
    """No fact, no task, and no call but for a key of a listed gateway."""
    await install(intake)
    await intake.tasks()
    state = intake.talkdesk.state
    forged = await intake.talkdesk.install(GLOBEX, intake.talkdesk.app("Wallboard"), deliver=False)
    event = stand_in_events.installed(state, forged)
    headers = intake.talkdesk.courier.signature_headers(event.body)
    if attack == "unsigned":
        headers = {}
    elif attack == "another body":
        headers = intake.talkdesk.courier.signature_headers(event.body + b" ")
    elif attack == "unknown key":
        headers = headers | {"X-Hub-Ecdsa-Signature-Id": "of-the-attacker"}
    else:
        event = replace(event, body=event.body.replace(state.addresses.gateway.encode(), b"https://evil.example"))
        headers = intake.talkdesk.courier.signature_headers(event.body)
    delivery = await intake.talkdesk.deliver(event, headers=headers)
    reason = {"unsigned": "unsigned", "another body": "bad_signature", "unknown key": "unknown_key"}
    assert reason_of(delivery) == (401, f'{{"reason":"{reason.get(attack, "unknown_gateway")}"}}')
    assert await intake.stores.installations.find(InstallationId(forged.id)) is None
    assert await intake.tasks() == set()


async def test_an_event_of_an_app_that_is_not_configured_is_403(intake: Intake) -> None:
    """Signed by Talkdesk, and still a stranger's."""
    installation = await intake.talkdesk.install(ACME, intake.talkdesk.app("Notes"))
    assert reason_of(intake.talkdesk.deliveries[-1]) == (403, '{"reason":"unknown_app"}')
    assert await intake.stores.installations.find(InstallationId(installation.id)) is None


async def test_an_account_that_is_not_listed_is_403_until_it_leaves(opened: OpenIntake) -> None:
    """It may not install; a tombstone is taken from anybody."""
    async with opened(accounts=frozenset({AccountId(GLOBEX.id)})) as intake:
        installation = await intake.talkdesk.install(ACME, intake.talkdesk.app("Wallboard"))
        assert reason_of(intake.talkdesk.deliveries[-1]) == (403, '{"reason":"account_not_listed"}')
        assert (await intake.talkdesk.uninstall(installation)).status == 202


async def test_an_installation_never_changes_its_account(intake: Intake) -> None:
    """The second owner is refused, the first stays."""
    installation = await install(intake)
    stolen = replace_account(installation)
    delivery = await intake.talkdesk.deliver(stand_in_events.installed(intake.talkdesk.state, stolen))
    assert reason_of(delivery) == (403, '{"reason":"other_owner"}')
    known = await intake.stores.installations.find(InstallationId(installation.id))
    assert known is not None
    assert known.account == ACME.id


def replace_account(installation: Any) -> Any:
    """The same installation, as if it were another customer's."""
    return replace(installation, account=GLOBEX)


@pytest.mark.parametrize("kind", ["app.new_thing", "app.installed", "app.updated"])
async def test_what_is_signed_but_not_taken_is_202_and_asks_for_nothing(intake: Intake, kind: str) -> None:
    """Unknown or unreadable: kept, and the second delivery is a duplicate."""
    data = {"account_id": ACME.id, "installation_id": "installation-1", "users": "everybody"}
    event = intake.talkdesk.make_event(kind, intake.talkdesk.app("Wallboard"), data)
    assert (await intake.talkdesk.deliver(event)).status == 202
    assert (await intake.talkdesk.deliver(event)).status == 200
    assert await intake.tasks() == set()
    assert await intake.stores.installations.find(InstallationId("installation-1")) is None


async def test_a_body_that_is_no_json_is_kept_if_talkdesk_signed_it(intake: Intake) -> None:
    """Found at a listed gateway, though the body names none."""
    event = intake.talkdesk.make_event("app.installed", intake.talkdesk.app("Wallboard"), {})
    event = replace(event, body=b"\xff not JSON")
    assert (await intake.talkdesk.deliver(event)).status == 202
    assert (await intake.talkdesk.deliver(event)).status == 200


async def test_a_body_that_is_too_big_is_413(intake: Intake) -> None:
    """Signed or not."""
    event = intake.talkdesk.make_event("app.updated", intake.talkdesk.app("Wallboard"), {"x": "y" * 300_000})
    assert reason_of(await intake.talkdesk.deliver(event)) == (413, '{"reason":"too_big"}')


async def test_no_secret_is_in_the_log_or_in_clear_on_disk(intake: Intake) -> None:
    """Taken, repeated, refused and unreadable: searched for everything that was secret."""
    with capture_logs() as logs:
        installation = await install(intake)
        event = intake.talkdesk.deliveries[-1].event
        await intake.talkdesk.deliver(event)
        await intake.talkdesk.deliver(event, headers={})
        await intake.talkdesk.deliver(replace(event, body=event.body.replace(b"private_key", b"privat_key")))
    assert len(logs) == 4
    credentials = installation.current.credentials
    files = [file for file in intake.folder.iterdir() if file.is_file()]
    assert any(installation.id.encode() in file.read_bytes() for file in files)
    for secret in (credentials.client_secret, private_key_text(credentials)):
        assert secret not in str(logs)
        assert not [file for file in files if secret.encode() in file.read_bytes()]
