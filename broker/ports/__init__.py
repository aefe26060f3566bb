"""Ports: what the flows need from outside, in the words of the model.

Stores: every method is one transaction, and none is open while a network call runs. Adapters live in `storage`, `talkdesk` and `realm`.
"""

from broker.ports.basics import Clock, Json
from broker.ports.events import Events, Receipt
from broker.ports.installations import Accounts, Installations, ProviderRecords
from broker.ports.keeping import IssuerKeys, Meta, Retention
from broker.ports.keycloak import (
    IdentityProviders,
    LaunchClient,
    LogoutEndpoint,
    RealmAdministration,
    RealmKeys,
    RealmSessions,
    RealmUsers,
)
from broker.ports.logouts import Asked, Deliveries, LogoutRecords, Logouts
from broker.ports.one_time import OneTimeKind, OneTimeValues
from broker.ports.others import AppLogoutUrl, Webhook
from broker.ports.reconciling import KnownProviders, Repairs, Turns
from broker.ports.sign_ons import Failures, SignOns
from broker.ports.talkdesk import Apps, EventKeySource, TalkdeskOAuth, TokenAnswer
from broker.ports.tasks import Tasks

__all__ = [
    "Accounts",
    "AppLogoutUrl",
    "Apps",
    "Asked",
    "Clock",
    "Deliveries",
    "EventKeySource",
    "Events",
    "Failures",
    "IdentityProviders",
    "Installations",
    "IssuerKeys",
    "Json",
    "KnownProviders",
    "LaunchClient",
    "LogoutEndpoint",
    "LogoutRecords",
    "Logouts",
    "Meta",
    "OneTimeKind",
    "OneTimeValues",
    "ProviderRecords",
    "RealmAdministration",
    "RealmKeys",
    "RealmSessions",
    "RealmUsers",
    "Receipt",
    "Repairs",
    "Retention",
    "SignOns",
    "TalkdeskOAuth",
    "Tasks",
    "TokenAnswer",
    "Turns",
    "Webhook",
]
