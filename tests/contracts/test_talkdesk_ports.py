"""The in-memory twins and the real adapters, against the stand-in Talkdesk, keep the contracts of `Apps` and `EventKeySource`."""

import base64
import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from broker.events.parse import Parser
from broker.events.signature import VerifiedBody
from broker.model.credentials import Credentials
from broker.model.facts import Installed, Rotated
from broker.model.installation import Installation, fold
from broker.model.names import InstallationId
from broker.model.pkce import random_value
from broker.outbound import http_client
from broker.talkdesk.apps import AppsApi
from broker.talkdesk.event_keys import EventKeys
from broker.talkdesk.in_memory import InMemoryApps, InMemoryEventKeys
from broker.talkdesk.links import Hosts
from broker.talkdesk.wire import Wire
from demo.talkdesk import ACME, Endpoint, Silence, StandIn, User, apps_at
from demo.talkdesk import events as stand_in_events
from demo.talkdesk.variants import KeyEncoding
from tests.contracts.talkdesk_ports import AppsContract, EventKeysContract
from tests.unit.talkdesk_samples import INSTALLATION

HOSTS = Hosts(frozenset(), frozenset(), is_insecure=True)


def clock() -> datetime:
    """The real time: the stand-in goes by it too."""
    return datetime.now(UTC)


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    """A stand-in Talkdesk."""
    stand_in = StandIn(apps=apps_at("http://127.0.0.1:1"))
    await stand_in.start()
    yield stand_in
    await stand_in.stop()


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    """A real client."""
    async with http_client() as client:
        yield Wire(client, HOSTS)


class RealApps:
    """AppsApi and the stand-in."""

    def __init__(self, stand_in: StandIn, wire: Wire) -> None:
        self.apps = AppsApi(wire, clock, random_value)
        self._stand_in = stand_in

    async def install(self) -> Installation:
        """As the intake would read its event."""
        installed = await self._stand_in.install(ACME, self._stand_in.app("Wallboard"), deliver=False)
        body = VerifiedBody(stand_in_events.installed(self._stand_in.state, installed).body)
        (fact,) = Parser(HOSTS.check, HOSTS.check_gateway).parse(body).facts
        assert isinstance(fact, Installed)
        installation = fold([fact])
        assert installation is not None
        return installation

    def answers(self, installation: Installation) -> list[str]:
        return self._stand_in.state.installations[installation.id].answers

    async def rotate(self, installation: Installation) -> Credentials:
        rotating = self._stand_in.state.installations[installation.id]
        delivery = await self._stand_in.rotate(rotating, deliver=False)
        (fact,) = Parser(HOSTS.check, HOSTS.check_gateway).parse(VerifiedBody(delivery.event.body)).facts
        assert isinstance(fact, Rotated)
        assert fact.credentials is not None
        return fact.credentials

    def kill(self, installation: Installation) -> None:
        self._stand_in.state.installations[installation.id].credential_sets[0].dead_from = clock()

    def is_acknowledged(self, installation: Installation) -> bool:
        return not self._stand_in.state.installations[installation.id].credential_sets[1].awaits_acknowledgement

    def license(self, installation: Installation, *users: str) -> None:
        licensed = [User(each, f"User {each}", f"{each}@acme.example") for each in users]
        self._stand_in.state.installations[installation.id].users = licensed

    def fail_next(self, status: int | None) -> None:
        self._stand_in.faults.next(Endpoint.STATE, Silence.DROP if status is None else status)


class InMemoryAppsSide:
    """The twin, driven directly."""

    def __init__(self) -> None:
        self.apps = InMemoryApps()
        self.apps.unknown.add(InstallationId("never-heard-of"))
        self._numbers = itertools.count()

    async def install(self) -> Installation:
        return replace(INSTALLATION, id=InstallationId(f"installation-{next(self._numbers)}"))

    def answers(self, installation: Installation) -> list[str]:
        return [state for told, state in self.apps.answers if told == installation.id]

    async def rotate(self, installation: Installation) -> Credentials:
        assert installation.credentials is not None
        return replace(installation.credentials, client_id=f"rotated-{next(self._numbers)}")

    def kill(self, installation: Installation) -> None:
        assert installation.credentials is not None
        self.apps.refused.add(installation.credentials.client_id)

    def is_acknowledged(self, installation: Installation) -> bool:
        return any(state.startswith("acknowledged ") for state in self.answers(installation))

    def license(self, installation: Installation, *users: str) -> None:
        self.apps.licensed[installation.id] = [{"id": each, "email": f"{each}@acme.example"} for each in users]

    def fail_next(self, status: int | None) -> None:
        self.apps.faults.append(status)


class TestRealApps(AppsContract):
    """The adapter."""

    @pytest.fixture
    def talkdesk(self, stand_in: StandIn, wire: Wire) -> RealApps:
        """On the wire."""
        return RealApps(stand_in, wire)


class TestInMemoryApps(AppsContract):
    """The twin."""

    @pytest.fixture
    def talkdesk(self) -> InMemoryAppsSide:
        """In memory."""
        return InMemoryAppsSide()


class RealEventKeys:
    """EventKeys and the stand-in."""

    def __init__(self, stand_in: StandIn, wire: Wire) -> None:
        self.keys = EventKeys(wire, clock)
        self.root = stand_in.url
        self._stand_in = stand_in

    def publish(self) -> tuple[str, EllipticCurvePublicKey]:
        key_id = self._stand_in.new_event_key()
        key = load_der_public_key(base64.b64decode(self._stand_in.state.event_key.public_text(KeyEncoding.DER)))
        assert isinstance(key, EllipticCurvePublicKey)
        return key_id, key

    def break_off(self) -> None:
        self._stand_in.faults.next(Endpoint.SIGNATURE_KEY, Silence.DROP, times=10)


class InMemoryEventKeysSide:
    """The twin, driven directly."""

    def __init__(self) -> None:
        self.keys = InMemoryEventKeys(HOSTS)
        self.root = "http://127.0.0.1:1"
        self._numbers = itertools.count()

    def publish(self) -> tuple[str, EllipticCurvePublicKey]:
        key_id, key = f"key-{next(self._numbers)}", ec.generate_private_key(ec.SECP256R1()).public_key()
        self.keys.keys[self.root, key_id] = key
        return key_id, key

    def break_off(self) -> None:
        self.keys.unreachable.add(self.root)


class TestRealEventKeys(EventKeysContract):
    """The adapter."""

    @pytest.fixture
    def talkdesk(self, stand_in: StandIn, wire: Wire) -> RealEventKeys:
        """On the wire."""
        return RealEventKeys(stand_in, wire)


class TestInMemoryEventKeys(EventKeysContract):
    """The twin."""

    @pytest.fixture
    def talkdesk(self) -> InMemoryEventKeysSide:
        """In memory."""
        return InMemoryEventKeysSide()
