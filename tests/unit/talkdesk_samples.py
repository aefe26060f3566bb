"""Talkdesk by `MockTransport`: for answers that no honest stand-in gives. Its honest ones are judged in `tests/contracts` and `tests/scenarios`."""

import base64
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta

import httpx
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr

from broker.model.credentials import Credentials, Links
from broker.model.installation import Installation
from broker.model.names import AccountId, AppId, InstallationId
from broker.talkdesk.links import Hosts
from broker.talkdesk.wire import Wire

Answering = Callable[[httpx.Request], httpx.Response] | Callable[[httpx.Request], Coroutine[None, None, httpx.Response]]

NOW = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
ROOT = "https://api.talkdeskapp.com"
HOSTS = Hosts(frozenset({"api.talkdeskapp.com"}), frozenset({"*.talkdeskid.com"}))
KEY = ec.generate_private_key(ec.SECP256R1())
CREDENTIALS = Credentials(
    "client-1",
    SecretStr("secret"),
    SecretStr(base64.b64encode(KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())).decode()),
    "key-1",
    "ES256",
)
INSTALLATION = Installation(
    id=InstallationId("installation-1"),
    app=AppId("app-1"),
    account=AccountId("account-1"),
    account_name="Acme",
    credentials=CREDENTIALS,
    links=Links(
        ROOT,
        "https://acme.talkdeskid.com/oauth/authorize",
        "https://acme.talkdeskid.com/oauth/token",
        f"{ROOT}/userinfo",
    ),
    changed_at=NOW,
)


class MovableClock:
    """A clock that goes on only when it is told to."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def go_on(self, by: timedelta) -> None:
        """Later."""
        self.now += by


def wire(answering: Answering, hosts: Hosts = HOSTS) -> Wire:
    """A wire whose other end is that function."""
    return Wire(httpx.AsyncClient(transport=httpx.MockTransport(answering)), hosts)
