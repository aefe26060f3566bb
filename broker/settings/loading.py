"""Reads the settings; every wrong one is reported, by name, in one go."""

import os
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from broker.errors import BrokerError
from broker.model.realm_user import MatchRule
from broker.settings.addresses import is_https
from broker.settings.config_file import ConfigFile
from broker.settings.environment import ADMIN_VARIABLES, PREFIX, DatabaseSettings, EventSettings, Settings

# Not attributes of their own, or written by the users themselves.
_NEVER_AN_IDENTITY = frozenset(("firstName", "lastName", "locale", "enabled", "emailVerified", "id"))


class SettingsError(BrokerError):
    """Settings are wrong; the text has one line for each."""


S = TypeVar("S", bound="DatabaseSettings")


def load() -> tuple[Settings, ConfigFile]:
    """Settings of the process. Raises SettingsError with one line for each wrong one."""
    settings = _load(Settings)
    return settings, _load_config(settings)


def load_for_administrator() -> tuple[Settings, ConfigFile]:
    """As `load`, where an administrator's account may be in the environment, too. Raises SettingsError."""
    settings = _load(Settings, also=ADMIN_VARIABLES)
    return settings, _load_config(settings)


def load_database_settings() -> DatabaseSettings:
    """Those that a command on the database needs; the others may be missing, or wrong. Raises SettingsError."""
    return _load(DatabaseSettings)


def load_event_settings() -> tuple[EventSettings, ConfigFile]:
    """Those that a command needs that reads events. Raises SettingsError."""
    settings = _load(EventSettings)
    return settings, _load_config(settings)


def _load(kind: type[S], *, also: Sequence[str] = ()) -> S:
    problems = [f"{name}: there is no such setting" for name in sorted(os.environ) if _is_unknown(name, also)]
    try:
        settings = kind(_secrets_dir=_secrets_dir())
    except ValidationError as error:
        raise SettingsError("\n".join(problems + _lines(error, PREFIX))) from None
    if problems:
        raise SettingsError("\n".join(problems))
    return settings


def _secrets_dir() -> Path | None:
    """Folder with a file for each secret, named as its variable; pydantic reads it. A variable of the same name wins."""
    folder = os.environ.get(f"{PREFIX}SECRETS_DIR")
    if folder and not Path(folder).is_dir():
        raise SettingsError(f"{PREFIX}SECRETS_DIR: {folder} is no folder")
    return Path(folder) if folder else None


def _is_unknown(name: str, also: Sequence[str]) -> bool:
    known = name.removeprefix(PREFIX)
    return name.startswith(PREFIX) and known.lower() not in Settings.model_fields and known not in also


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
        if not is_https(url, may_be_plain=settings.talkdesk_insecure):
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


def _lines(error: ValidationError, prefix: str) -> list[str]:
    lines = []
    for problem in error.errors(include_input=False, include_url=False):
        where = ".".join(str(part) for part in problem["loc"])
        message = problem["msg"].removeprefix("Value error, ")
        name = f"{prefix}{where.upper()}: " if prefix and where else f"{where}: " if where else prefix
        told = "is missing" if problem["type"] == "missing" else message
        lines += [f"{name}{line}" for line in told.splitlines()]
    return lines
