"""Settings: environment variables `BROKER_*` and the TOML file that `CONFIG_FILE` names.

Owns: their names, defaults and checks; every wrong one is reported, by name, in one go.
"""

import ipaddress
import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from broker.errors import BrokerError
from broker.model.names import AccountId, AppId
from broker.model.realm_user import MatchRule

PREFIX = "BROKER_"

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


# Not attributes of their own, or written by the users themselves.
_NEVER_AN_IDENTITY = frozenset(("firstName", "lastName", "locale", "enabled", "emailVerified", "id"))


class SettingsError(BrokerError):
    """Settings are wrong; the text has one line for each."""


class Support(BaseModel):
    """How a person gets help."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    email: str | None = Field(default=None, pattern=r"^[^@\s]+@[^@\s]+$")
    url: str | None = Field(default=None, pattern=r"^https?://")
    phone: str | None = None


class App(BaseModel):
    """An app that is registered at Talkdesk."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: AppId = Field(min_length=1, max_length=255)
    name: str = Field(min_length=1, max_length=100)
    start_url: str
    support: Support = Support()
    on_trial_expired: Literal["keep", "suspend"] = "keep"


class Account(BaseModel):
    """A Talkdesk account that is trusted with more, or at all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: AccountId = Field(min_length=1, max_length=255)
    email_domains: tuple[str, ...] = ()
    match: str | None = Field(default=None, pattern=r"^[A-Za-z][A-Za-z0-9_.-]*$", max_length=255)


class Relay(BaseModel):
    """A downstream app whose logouts the broker delivers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slug: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")
    client_id: str = Field(min_length=1, max_length=255)
    logout_url: str


class ConfigFile(BaseModel):
    """Content of `CONFIG_FILE`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    apps: tuple[App, ...] = ()
    accounts: tuple[Account, ...] = ()
    relays: tuple[Relay, ...] = ()

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Self:
        for name, keys in (
            ("apps", [app.id for app in self.apps]),
            ("accounts", [account.id for account in self.accounts]),
            ("relays", [relay.slug for relay in self.relays]),
        ):
            if len(set(keys)) != len(keys):
                raise ValueError(f"{name}: the same {'slug' if name == 'relays' else 'id'} twice")
        return self


S = TypeVar("S", bound="DatabaseSettings")

_Hosts = Annotated[frozenset[str], NoDecode]


class DatabaseSettings(BaseSettings):
    """What commands need that work on the database alone."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="ignore", frozen=True, env_ignore_empty=True, hide_input_in_errors=True
    )

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
    alert_url: SecretStr | None = None
    alert_after: int = Field(5, ge=1, le=1000)
    longest_session_hours: int = Field(720, ge=1)
    reconcile_hours: int = Field(24, ge=0, le=720)

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

    @field_validator("alert_url")
    @classmethod
    def _is_webhook(cls, value: SecretStr | None) -> SecretStr | None:
        url = value.get_secret_value() if value else ""
        if url and not _is_https(url, may_be_plain=is_loopback(url)):
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
        )
        if wrong := [sentence for is_wrong, sentence in problems if is_wrong]:
            raise ValueError("\n".join(wrong))
        return self

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


def is_loopback(url: str) -> bool:
    """Whether the URL's host is `localhost` or a loopback address."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def load() -> tuple[Settings, ConfigFile]:
    """Settings of the process. Raises SettingsError with one line for each wrong one."""
    settings = _load(Settings)
    return settings, _load_config(settings)


def load_database_settings() -> DatabaseSettings:
    """Those that a command on the database needs; the others may be missing, or wrong. Raises SettingsError."""
    return _load(DatabaseSettings)


def load_event_settings() -> tuple[EventSettings, ConfigFile]:
    """Those that a command needs that reads events. Raises SettingsError."""
    settings = _load(EventSettings)
    return settings, _load_config(settings)


def _load(kind: type[S]) -> S:
    problems = [f"{name}: there is no such setting" for name in sorted(os.environ) if _is_unknown(name)]
    try:
        settings = kind()
    except ValidationError as error:
        raise SettingsError("\n".join(problems + _lines(error, PREFIX))) from None
    if problems:
        raise SettingsError("\n".join(problems))
    return settings


def _is_unknown(name: str) -> bool:
    return name.startswith(PREFIX) and name.removeprefix(PREFIX).lower() not in Settings.model_fields


def _load_config(settings: EventSettings) -> ConfigFile:
    name = f"{PREFIX}CONFIG_FILE"
    try:
        content = tomllib.loads(settings.config_file.read_text("utf-8"))
        config = ConfigFile.model_validate(content)
    except OSError as error:
        raise SettingsError(f"{name}: {settings.config_file} can't be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{name}: {settings.config_file} is not TOML: {error}") from None
    except ValidationError as error:
        raise SettingsError("\n".join(f"{name}: {line}" for line in _lines(error, ""))) from None
    problems = _address_problems(settings, config)
    if isinstance(settings, Settings) and settings.users == "existing":
        problems += _match_problems(config)
    if problems:
        raise SettingsError("\n".join(f"{name}: {line}" for line in problems))
    return config


def _address_problems(settings: EventSettings, config: ConfigFile) -> list[str]:
    addresses = [(f"apps.{app.id}.start_url", app.start_url) for app in config.apps]
    addresses += [(f"relays.{relay.slug}.logout_url", relay.logout_url) for relay in config.relays]
    problems = []
    for name, url in addresses:
        if not _is_https(url, may_be_plain=settings.talkdesk_insecure):
            problems.append(f"{name}: must be an https URL without fragment")
    return problems


def _match_problems(config: ConfigFile) -> list[str]:
    problems = []
    for account in config.accounts:
        name = f"accounts.{account.id}"
        if account.match is None:
            problems.append(f"{name}.match: is missing; where USERS is existing every account needs one")
        elif account.match in _NEVER_AN_IDENTITY:
            problems.append(f"{name}.match: {account.match} does not say who somebody is")
        elif MatchRule(account.match, ()).is_by_address and not account.email_domains:
            problems.append(
                f"{name}.email_domains: is missing; without it any address could name any user of the realm"
            )
    return problems


def _is_https(url: str, *, may_be_plain: bool) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    is_safe = parts.scheme == "https" or (may_be_plain and parts.scheme == "http" and is_loopback(url))
    return is_safe and bool(parts.hostname) and not parts.fragment


def _lines(error: ValidationError, prefix: str) -> list[str]:
    lines = []
    for problem in error.errors(include_input=False, include_url=False):
        where = ".".join(str(part) for part in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        name = f"{prefix}{where.upper()}: " if prefix and where else f"{where}: " if where else prefix
        told = "is missing" if problem["type"] == "missing" else message
        lines += [f"{name}{line}" for line in told.splitlines()]
    return lines
