"""What the TOML file that `CONFIG_FILE` names may hold, item by item.

Leaves to `loading` what depends on the settings beside it.
"""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from broker.model.names import AccountId, AppId


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
