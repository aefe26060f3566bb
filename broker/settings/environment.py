"""Settings from environment variables `BROKER_*`: their names, defaults and checks."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from broker.settings.addresses import Network, is_https, is_loopback, networks_of

PREFIX = "BROKER_"

ADMIN_VARIABLES = ("ADMIN_USERNAME", "ADMIN_PASSWORD", "ADMIN_PASSWORD_FILE", "ADMIN_REALM")
"""Of an administrator's account, for the commands that need one; no setting, and the service does not start with them."""


DOCUMENTED_GATEWAYS = (
    "api.talkdeskapp.com",
    "api.talkdeskapp.eu",
    "api.talkdeskappca.com",
    "api.talkdeskapp.au",
    "api.talkdeskapp.co.uk",
)


DOCUMENTED_HOSTS = (
    *DOCUMENTED_GATEWAYS,
    "*.talkdeskid.com",
    "*.talkdeskid.eu",
    "*.talkdeskidca.com",
    "*.talkdeskid.au",
)


_SQLITE = "sqlite:///"

_Hosts = Annotated[frozenset[str], NoDecode]


class DatabaseSettings(BaseSettings):
    """What commands need that work on the database alone."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="ignore", frozen=True, env_ignore_empty=True, hide_input_in_errors=True
    )

    operator: str = Field("", max_length=200)
    secrets_dir: Path | None = None
    data_dir: Path = Path("data")
    database_url: SecretStr = SecretStr("")
    sealing_keys: SecretStr | None = None
    sealing_keys_file: Path | None = None

    @model_validator(mode="after")
    def _has_one_source_of_keys(self) -> Self:
        if self.sealing_keys and self.sealing_keys_file:
            raise ValueError("SEALING_KEYS, SEALING_KEYS_FILE: only one of the two")
        return self

    @property
    def database(self) -> SecretStr:
        """URL of the database, for SQLAlchemy."""
        given = self.database_url.get_secret_value()
        if not given:
            return SecretStr(f"sqlite:///{self.data_dir / 'broker.sqlite3'}")
        if given.startswith("postgresql://"):
            return SecretStr(given.replace("postgresql://", "postgresql+psycopg://", 1))
        return self.database_url

    @property
    def sqlite_folder(self) -> Path | None:
        """Where the SQLite file is; None with PostgreSQL, whose disk is another machine's."""
        url = self.database.get_secret_value()
        return Path(url.removeprefix(_SQLITE)).parent if url.startswith(_SQLITE) else None


class EventSettings(DatabaseSettings):
    """What it takes to read an event, too: whose it may be, and where its links may lead."""

    accounts: Literal["any", "listed"] = "any"
    talkdesk_gateways: _Hosts = frozenset(DOCUMENTED_GATEWAYS)
    talkdesk_hosts: _Hosts = frozenset(DOCUMENTED_HOSTS)
    talkdesk_insecure: bool = False
    lease_seconds: int = Field(60, ge=3, le=3600)
    config_file: Path

    @field_validator("talkdesk_gateways", "talkdesk_hosts", mode="before")
    @classmethod
    def _split_hosts(cls, value: Any) -> Any:
        if isinstance(value, str):
            return frozenset(host.strip().lower() for host in value.split(",") if host.strip())
        return value

    @field_validator("talkdesk_gateways", "talkdesk_hosts")
    @classmethod
    def _are_hosts(cls, value: frozenset[str]) -> frozenset[str]:
        for host in value:
            if not host or any(char in host for char in "/:@ ") or "*" in host.removeprefix("*."):
                raise ValueError("host names without scheme, port or path, separated by commas")
        return value


class Settings(EventSettings):
    """Everything that an operator can say."""

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    public_url: str
    internal_url: str = ""
    keycloak_url: str
    keycloak_internal_url: str = ""
    keycloak_realm: str = Field("talkdesk", pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$")
    keycloak_client_id: str = "talkdesk-broker"
    keycloak_client_secret: SecretStr
    keycloak_launch_client_id: str = "talkdesk-launch"
    keycloak_launch_client_secret: SecretStr
    users: Literal["own", "existing"] = "own"
    end_foreign_sessions: bool = False
    alert_url: SecretStr | None = None
    alert_after: int = Field(5, ge=1, le=1000)
    longest_session_hours: int = Field(720, ge=1)
    reconcile_hours: int = Field(24, ge=0, le=720)
    trusted_proxies: str = "127.0.0.0/8,::1"
    drain_seconds: int = Field(0, ge=0, le=600)
    answer_seconds: float = Field(5, ge=0.1, le=60, allow_inf_nan=False)
    launches_at_once: int = Field(100, ge=1, le=100_000)

    @field_validator("public_url", "internal_url", "keycloak_url", "keycloak_internal_url")
    @classmethod
    def _is_base_url(cls, value: str) -> str:
        if not value:
            return value
        parts = urlsplit(value)
        _ = parts.port  # raises ValueError itself where it is no port
        is_whole = parts.scheme in ("http", "https") and bool(parts.hostname)
        if not is_whole or parts.query or parts.fragment or parts.username:
            raise ValueError("an http(s) URL without query or fragment")
        return value.rstrip("/")

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        networks_of(value)
        return value

    @field_validator("alert_url")
    @classmethod
    def _is_webhook(cls, value: SecretStr | None) -> SecretStr | None:
        url = value.get_secret_value() if value else ""
        if url and not is_https(url, may_be_plain=is_loopback(url)):
            raise ValueError("must be an https URL without fragment")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        loopback = is_loopback(self.public_url)
        problems = (
            (
                urlsplit(self.public_url).scheme != "https" and not loopback,
                "PUBLIC_URL: must be https, unless it is loopback",
            ),
            (
                bool(urlsplit(self.public_url).path),
                "PUBLIC_URL: must not have a path: its cookies are the whole host's",
            ),
            (self.talkdesk_insecure and not loopback, "TALKDESK_INSECURE: only where PUBLIC_URL is a loopback address"),
            (
                self.users == "existing" and self.accounts != "listed",
                "ACCOUNTS: must be listed where USERS is existing",
            ),
            (
                self.end_foreign_sessions and self.users != "existing",
                "END_FOREIGN_SESSIONS: only where USERS is existing: else every session is the broker's",
            ),
        )
        if wrong := [sentence for is_wrong, sentence in problems if is_wrong]:
            raise ValueError("\n".join(wrong))
        return self

    @property
    def proxies(self) -> tuple[Network, ...]:
        """Where proxies of ours are: what they say of a request is believed."""
        return networks_of(self.trusted_proxies)

    @property
    def issuer_base(self) -> str:
        """What every issuer identifier starts with."""
        return f"{self.public_url}/oidc"

    @property
    def internal_base(self) -> str:
        """How Keycloak reaches the broker."""
        return self.internal_url or self.public_url

    @property
    def keycloak_base(self) -> str:
        """How the broker reaches Keycloak."""
        return self.keycloak_internal_url or self.keycloak_url
