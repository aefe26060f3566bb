"""What Talkdesk gave to an installation: credentials and links."""

from dataclasses import dataclass

from pydantic import SecretStr


@dataclass(frozen=True)
class Credentials:
    """An installation's credentials at Talkdesk; the secret parts hide themselves in a repr."""

    client_id: str
    client_secret: SecretStr
    private_key: SecretStr
    """Base64 of a PKCS#8 DER key, as it came."""
    key_id: str
    algorithm: str
    """JOSE algorithm of client assertions: ES256, ES384, ES512, PS256, PS384 or PS512."""


@dataclass(frozen=True)
class Links:
    """Where the installation's Talkdesk is; every host was on the allow-list when the event came."""

    root: str
    """API gateway: Apps API and signature keys."""
    authorization: str
    token: str
    userinfo: str
