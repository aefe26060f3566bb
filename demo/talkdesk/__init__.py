"""A stand-in for Talkdesk: as strict as its public documentation, with a variant for all that this leaves open."""

from demo.talkdesk.model import (
    Account,
    ApiCall,
    App,
    Attempt,
    Delivery,
    Event,
    Installation,
    InstallationState,
    User,
)
from demo.talkdesk.people import ACCOUNTS, ACME, ANA, BRUNO, CARLA, GLOBEX, NOTES_ID, WALLBOARD_ID, apps_at
from demo.talkdesk.stand_in import StandIn
from demo.talkdesk.variants import Variants
from demo.talkdesk.wire import Endpoint, Silence

__all__ = [
    "ACCOUNTS",
    "ACME",
    "ANA",
    "BRUNO",
    "CARLA",
    "GLOBEX",
    "NOTES_ID",
    "WALLBOARD_ID",
    "Account",
    "ApiCall",
    "App",
    "Attempt",
    "Delivery",
    "Endpoint",
    "Event",
    "Installation",
    "InstallationState",
    "Silence",
    "StandIn",
    "User",
    "Variants",
    "apps_at",
]
