"""Composition root: every concrete thing is named here, and nowhere else."""

from broker.app.adapters import keycloak_of
from broker.app.reading import event_owners, event_parser, listed_accounts, match_rules, talkdesk_hosts
from broker.app.service import Broker, open_broker, utc_now

__all__ = [
    "Broker",
    "event_owners",
    "event_parser",
    "keycloak_of",
    "listed_accounts",
    "match_rules",
    "open_broker",
    "talkdesk_hosts",
    "utc_now",
]
