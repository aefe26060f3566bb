"""All stores of one database, by the ports that they implement."""

from dataclasses import dataclass

from broker import listing, observation, ports
from broker.ports import Clock
from broker.storage.database import Database
from broker.storage.sealing import Sealer
from broker.storage.sql_deliveries import SqlDeliveries
from broker.storage.sql_events import SqlEvents
from broker.storage.sql_failures import SqlFailures
from broker.storage.sql_identity_providers import SqlProviderRecords
from broker.storage.sql_installations import SqlInstallations
from broker.storage.sql_issuer_keys import SqlIssuerKeys
from broker.storage.sql_known_providers import SqlKnownProviders
from broker.storage.sql_logout_records import SqlLogoutRecords
from broker.storage.sql_logouts import SqlLogouts
from broker.storage.sql_one_time import SqlOneTimeValues
from broker.storage.sql_records import SqlAccounts, SqlMeta
from broker.storage.sql_repairs import SqlRepairs
from broker.storage.sql_retention import SqlRetention
from broker.storage.sql_sign_ons import SqlSignOns
from broker.storage.sql_task_lists import SqlBacklog, SqlOrigins
from broker.storage.sql_tasks import SqlTasks
from broker.storage.sql_turns import SqlTurns


@dataclass(frozen=True)
class Stores:
    """One store a port."""

    events: ports.Events
    installations: ports.Installations
    logouts: ports.Logouts
    logout_records: ports.LogoutRecords
    deliveries: ports.Deliveries
    tasks: ports.Tasks
    provider_records: ports.ProviderRecords
    known_providers: ports.KnownProviders
    repairs: ports.Repairs
    turns: ports.Turns
    one_time_values: ports.OneTimeValues
    sign_ons: ports.SignOns
    accounts: ports.Accounts
    issuer_keys: ports.IssuerKeys
    failures: ports.Failures
    meta: ports.Meta
    retention: ports.Retention
    backlog: listing.Backlog
    origins: observation.Origins


def open_stores(database: Database, sealer: Sealer, clock: Clock) -> Stores:
    """The stores on this database, whose schema must be current (`upgrade`, `is_current`) before they are used."""
    return Stores(
        events=SqlEvents(database, sealer, clock),
        installations=SqlInstallations(database, sealer),
        logouts=SqlLogouts(database),
        logout_records=SqlLogoutRecords(database),
        deliveries=SqlDeliveries(database, sealer),
        tasks=SqlTasks(database),
        provider_records=SqlProviderRecords(database),
        known_providers=SqlKnownProviders(database),
        repairs=SqlRepairs(database),
        turns=SqlTurns(database),
        one_time_values=SqlOneTimeValues(database, sealer),
        sign_ons=SqlSignOns(database),
        accounts=SqlAccounts(database),
        issuer_keys=SqlIssuerKeys(database, sealer),
        failures=SqlFailures(database),
        meta=SqlMeta(database),
        retention=SqlRetention(database),
        backlog=SqlBacklog(database),
        origins=SqlOrigins(database),
    )
