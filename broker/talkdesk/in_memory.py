"""In-memory twins of this package's ports, for tests and experiments; judged by the same suites as the real ones (`tests/contracts`)."""

from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from broker.errors import TalkdeskError
from broker.model.credentials import Credentials
from broker.model.installation import Installation
from broker.model.names import InstallationId
from broker.ports import Json
from broker.talkdesk.links import Hosts
from broker.talkdesk.wire import access_of, refused

_PAGE = 50
_WHAT, _TOKEN = "installation state", "token for the Apps API"


class InMemoryApps:
    """Apps that writes down what it is told."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        self.answers: list[tuple[InstallationId, str]] = []
        """Every `approve`, `reject`, and `acknowledged` with its client id, in order."""
        self.refused: set[str] = set()
        """Client ids that get no token."""
        self.unknown: set[InstallationId] = set()
        """Installations that Talkdesk has never heard of."""
        self.licensed: dict[InstallationId, list[Json]] = {}
        """Talkdesk's users that are licensed for it."""
        self.faults: deque[int | None] = deque()
        """What the next calls meet instead: a status, or None for no answer."""

    async def approve(self, installation: Installation) -> None:
        """As the port says."""
        self._say(installation, "approve")

    async def reject(self, installation: Installation, reason: str) -> None:
        """As the port says."""
        self._say(installation, "reject")

    async def prove(self, installation: Installation, credentials: Credentials) -> None:
        """As the port says."""
        self._check(replace(installation, credentials=credentials))

    async def acknowledge(self, installation: Installation, credentials: Credentials) -> None:
        """As the port says."""
        self._say(replace(installation, credentials=credentials), f"acknowledged {credentials.client_id}")

    async def users(self, installation: Installation) -> AsyncIterator[Sequence[Json]]:
        """As the port says."""
        self._check(installation)
        if installation.id in self.unknown:
            raise refused(_WHAT, 404)
        users = self.licensed.get(installation.id, [])
        for start in range(0, len(users), _PAGE):
            yield users[start : start + _PAGE]

    def _check(self, installation: Installation) -> None:
        _, credentials = access_of(installation)
        if credentials.client_id in self.refused:
            raise refused(_TOKEN, 401, code="invalid_client")

    def _say(self, installation: Installation, state: str) -> None:
        self._check(installation)
        if self.faults:
            status = self.faults.popleft()
            raise TalkdeskError(f"{_WHAT}: no answer") if status is None else refused(_WHAT, status)
        if installation.id in self.unknown:
            raise refused(_WHAT, 404)
        self.answers.append((installation.id, state))


class InMemoryEventKeys:
    """EventKeySource of keys that were put there."""

    def __init__(self, hosts: Hosts) -> None:
        """No key is known yet."""
        self._hosts = hosts
        self.keys: dict[tuple[str, str], EllipticCurvePublicKey] = {}
        """By root and id."""
        self.unreachable: set[str] = set()
        """Roots of gateways that do not answer."""

    async def fetch(self, root: str, key_id: str) -> EllipticCurvePublicKey | None:
        """As the port says."""
        gateway = self._hosts.check_gateway(root)
        if gateway in self.unreachable:
            raise TalkdeskError("no answer")
        return self.keys.get((gateway, key_id))
