"""How events are read, and whose: the same for the service and for `broker events retry`."""

from broker.events.accept import Owners
from broker.events.parse import Parser
from broker.model.names import AccountId
from broker.model.realm_user import MatchRule
from broker.settings import ConfigFile, EventSettings
from broker.talkdesk.links import Hosts


def listed_accounts(settings: EventSettings, config: ConfigFile) -> frozenset[AccountId] | None:
    """Accounts that may use the apps; None for any."""
    return None if settings.accounts == "any" else frozenset(account.id for account in config.accounts)


def email_domains(config: ConfigFile) -> dict[AccountId, tuple[str, ...]]:
    """For whose addresses Talkdesk may vouch."""
    return {account.id: tuple(domain.lower() for domain in account.email_domains) for account in config.accounts}


def match_rules(config: ConfigFile) -> dict[AccountId, MatchRule]:
    """How each account's people are found (mode existing)."""
    domains = email_domains(config)
    return {each.id: MatchRule(each.match, domains[each.id]) for each in config.accounts if each.match}


def event_parser(hosts: Hosts, config: ConfigFile) -> Parser:
    """How events are read, when they come and when they are replayed."""
    suspending = frozenset(app.id for app in config.apps if app.on_trial_expired == "suspend")
    return Parser(hosts.check, hosts.check_gateway, suspending)


def event_owners(settings: EventSettings, config: ConfigFile) -> Owners:
    """Whose events are taken."""
    return Owners(frozenset(app.id for app in config.apps), listed_accounts(settings, config))


def talkdesk_hosts(settings: EventSettings) -> Hosts:
    """The allow-list."""
    return Hosts(settings.talkdesk_gateways, settings.talkdesk_hosts, is_insecure=settings.talkdesk_insecure)
