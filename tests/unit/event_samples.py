"""Events as docs/talkdesk.md gives them, to be changed by a test, and signed with a real key."""

import json
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA512

from broker.errors import LinkRefused
from broker.events.parse import ParsedEvent, Parser
from broker.events.signature import VerifiedBody

ROOT = "https://api.talkdeskapp.com"
APP = "f918e2623486417791f3b5a18ca746ce"
ACCOUNT = "5e8d60283cc24683a9523319"
INSTALLATION = "4400ebd85fa04322abf5b64de93dc913"
EVENT = "a16521d26f89418dab1402e68c5a4ba7"
USER = "573491d5df012e3242001b52"
KEY_ID = "event-key-1"

_DATA = {"installation_id": INSTALLATION, "account_id": ACCOUNT, "account_name": "Acme"}
CREDENTIALS = {
    "client_id": "client-1",
    "client_secret": "the client secret",
    "private_key": "the private key",
    "public_key": "the public key",
    "key_id": "key-1",
    "key_algorithm": "ES256",
}


def event(kind: str, data: Mapping[str, Any], links: Mapping[str, str] | None = None) -> dict[str, Any]:
    """An event of that type."""
    every_link = {"root": ROOT, "self": f"{ROOT}/apps/{APP}/events/{EVENT}", **(links or {})}
    return {
        "id": EVENT,
        "created_at": "2017-08-18T10:29:52.000+00:00",
        "api_version": "1",
        "type": kind,
        "app_id": APP,
        "data": dict(data),
        "_links": {name: {"href": href} for name, href in every_link.items()},
    }


def installed() -> dict[str, Any]:
    """`app.installed`."""
    identity = "https://acme.talkdeskid.com/oauth"
    links = {"userinfo": f"{ROOT}/userinfo", "authorization": f"{identity}/authorize", "token": f"{identity}/token"}
    return event("app.installed", _DATA | CREDENTIALS, links)


def uninstalled() -> dict[str, Any]:
    """`app.uninstalled`."""
    return event("app.uninstalled", _DATA | {"reason": {"type": "app_uninstalled", "message": "Not needed"}})


def user_logout() -> dict[str, Any]:
    """`user.logout`."""
    data = {"account_id": ACCOUNT, "user_id": USER, "user_email": "ana@example.com", "installation_id": INSTALLATION}
    return event("user.logout", data)


def body_of(content: Any) -> bytes:
    """The body as it would be sent."""
    return json.dumps(content).encode()


def refuse_evil(url: str) -> str:
    """An allow-list that knows one bad host."""
    if "evil" in url:
        raise LinkRefused("evil: not a listed host over https")
    return url


PARSER = Parser(check_link=refuse_evil, check_gateway=refuse_evil)


def parse(content: Any) -> ParsedEvent:
    """Read a body as if it had been verified."""
    body = content if isinstance(content, bytes) else body_of(content)
    return PARSER.parse(VerifiedBody(body))


def sign(key: ec.EllipticCurvePrivateKey, body: bytes) -> dict[str, str]:
    """The headers of a signed delivery."""
    signature = key.sign(body, ec.ECDSA(SHA512())).hex()
    return {"x-hub-ecdsa-signature": signature, "x-hub-ecdsa-signature-id": KEY_ID}
