"""What the service is made of, and what several of its flows share."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from broker.app.adapters import Keycloak, Talkdesk
from broker.app.reading import email_domains, listed_accounts, match_rules
from broker.door import Door, StartPage, with_issuer
from broker.issuer.identifier import Issuers
from broker.issuer.keys import SigningKeys
from broker.launch.start import ToKeycloak
from broker.launch.switch import Switches
from broker.logout.deliver import RelayedApp, Settle
from broker.logout.end_sessions import EndSessions
from broker.model.names import AccountId
from broker.observation import KeysWithClock
from broker.ports import Clock, Webhook
from broker.provider.match import MatchUser
from broker.settings import ConfigFile, Settings
from broker.states import States
from broker.storage.stores import Stores
from broker.to_talkdesk import ToTalkdesk
from broker.web.metrics import Metrics


@dataclass(frozen=True)
class Parts:
    """Parts of one service, made once."""

    settings: Settings
    config: ConfigFile
    now: Clock
    stores: Stores
    metrics: Metrics
    keys: SigningKeys
    instance: str
    talkdesk: Talkdesk
    keycloak: Keycloak
    switches: Switches
    webhook: Webhook | None
    relayed: Mapping[str, RelayedApp]
    """Apps whose logouts we deliver, by slug."""
    owner: str
    """Names this process in leases."""

    @property
    def issuers(self) -> Issuers:
        return Issuers(self.settings.public_url, self.settings.internal_base)

    @property
    def end_sessions(self) -> EndSessions:
        return EndSessions(
            sign_ons=self.stores.sign_ons,
            keycloak=self.keycloak.logout,
            providers=self.keycloak.identity_providers,
            records=self.stores.provider_records,
            keys=self.keys,
            issuers=self.issuers,
            now=self.now,
            lease=timedelta(seconds=self.settings.lease_seconds),
            foreign=self.keycloak.sessions if self.settings.end_foreign_sessions else None,
            observer=self.metrics,
        )

    @property
    def fresh_keys(self) -> KeysWithClock:
        """For tokens that Keycloak made just now."""
        return KeysWithClock(self.keycloak.keys, self.metrics)

    @property
    def settle(self) -> Settle:
        return Settle(self.stores.deliveries, self.now, self.metrics)

    @property
    def states(self) -> States:
        return States(self.stores.one_time_values, self.now)

    @property
    def door(self) -> Door:
        realm_url = self.keycloak.realm_url
        apps = {app.id: StartPage(app.name, with_issuer(app.start_url, realm_url)) for app in self.config.apps}
        return Door(self.stores.installations, self.stores.provider_records, apps, self.listed_accounts)

    @property
    def to_keycloak(self) -> ToKeycloak:
        launch_url = f"{self.settings.public_url}/talkdesk/launch"
        return ToKeycloak(
            self.door, self.states, self.keycloak.launch_client, self.switches, self.stores.tasks.enqueue, launch_url
        )

    @property
    def to_talkdesk(self) -> ToTalkdesk:
        return ToTalkdesk(self.states, self.talkdesk.oauth, self.now)

    @property
    def listed_accounts(self) -> frozenset[AccountId] | None:
        return listed_accounts(self.settings, self.config)

    @property
    def email_domains(self) -> dict[AccountId, tuple[str, ...]]:
        return email_domains(self.config)

    @property
    def match_user(self) -> MatchUser | None:
        if self.settings.users == "own":
            return None
        return MatchUser(self.keycloak.users, self.stores.provider_records, match_rules(self.config))

    def is_welcome(self, account: AccountId) -> bool:
        return self.listed_accounts is None or account in self.listed_accounts
