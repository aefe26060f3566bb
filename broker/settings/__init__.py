"""Settings: environment variables `BROKER_*` and the TOML file that `CONFIG_FILE` names.

Owns: their names, defaults and checks. Read in the composition root, `web` and `cli` only.
"""

from broker.settings.addresses import is_loopback
from broker.settings.config_file import Account, App, ConfigFile, Relay, Support
from broker.settings.environment import (
    ADMIN_VARIABLES,
    DOCUMENTED_GATEWAYS,
    DOCUMENTED_HOSTS,
    PREFIX,
    DatabaseSettings,
    EventSettings,
    Settings,
)
from broker.settings.loading import (
    SettingsError,
    load,
    load_database_settings,
    load_event_settings,
    load_for_administrator,
)

__all__ = [
    "ADMIN_VARIABLES",
    "DOCUMENTED_GATEWAYS",
    "DOCUMENTED_HOSTS",
    "PREFIX",
    "Account",
    "App",
    "ConfigFile",
    "DatabaseSettings",
    "EventSettings",
    "Relay",
    "Settings",
    "SettingsError",
    "Support",
    "is_loopback",
    "load",
    "load_database_settings",
    "load_event_settings",
    "load_for_administrator",
]
