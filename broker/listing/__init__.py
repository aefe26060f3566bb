"""What operators may read of the database: rows, filters, and the ports that give them page by page.

Nothing here holds a secret, and no port opens a sealed value: whoever lists needs no sealing key.
"""

from broker.listing.events import Backlog, EventFilter, EventList, EventRow, TaskCount, TaskList, TaskRow
from broker.listing.installations import AccountList, AccountRow, InstallationFilter, InstallationList, InstallationRow
from broker.listing.page import Page
from broker.listing.sign_ons import FailureFilter, FailureList, SignedOn, SignOnFilter, SignOnList, SignOnRow
from broker.listing.sign_outs import DeliveryFilter, DeliveryRow, LogoutFilter, LogoutList, LogoutRow

__all__ = [
    "AccountList",
    "AccountRow",
    "Backlog",
    "DeliveryFilter",
    "DeliveryRow",
    "EventFilter",
    "EventList",
    "EventRow",
    "FailureFilter",
    "FailureList",
    "InstallationFilter",
    "InstallationList",
    "InstallationRow",
    "LogoutFilter",
    "LogoutList",
    "LogoutRow",
    "Page",
    "SignOnFilter",
    "SignOnList",
    "SignOnRow",
    "SignedOn",
    "TaskCount",
    "TaskList",
    "TaskRow",
]
