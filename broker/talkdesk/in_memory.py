"""In-memory twins of this package's ports, for tests and experiments; judged by the same suites as the real ones (`tests/contracts`)."""

from collections import deque

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from broker.errors import TalkdeskError
from broker.model.installation import Installation
from broker.model.names import InstallationId
from broker.talkdesk.links import Hosts
from broker.talkdesk.wire import access_of, refused

_WHAT = "installation state"


class InMemoryApps:
    """Apps that writes down what it is told."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        self.answers: list[tuple[InstallationId, str]] = []
        """Every `approve` and `reject`, in order."""
        self.unknown: set[InstallationId] = set()
        """Installations that Talkdesk has never heard of."""
        self.faults: deque[int | None] = deque()
        """What the next calls meet instead: a status, or None for no answer."""

    async def approve(self, installation: Installation) -> None:
        """As the port says."""
        self._say(installation, "approve")

    async def reject(self, installation: Installation, reason: str) -> None:
        """As the port says."""
        self._say(installation, "reject")

    def _say(self, installation: Installation, state: str) -> None:
        access_of(installation)
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
