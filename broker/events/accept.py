"""Whose event is it, and what follows from it: the same for a delivery (`receive`) and for one that is read anew (`replay`).

Owns: whether app and account are ours, and which tasks the facts ask for.
Leaves to others: whether Talkdesk signed it (`signature`), the transaction (Events).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from broker.errors import EventRefused
from broker.events.parse import ParsedEvent
from broker.model.event import EventState
from broker.model.facts import Fact, LicencesChanged, LoggedOut, Rotated, TrialChanged, TrialStep, Uninstalled
from broker.model.names import AccountId, AppId
from broker.model.task import TaskKind


@dataclass(frozen=True)
class Owners:
    """Apps and accounts that are ours."""

    apps: Collection[AppId]
    """Apps that are configured: events of any other are refused."""
    accounts: Collection[AccountId] | None
    """Accounts that may install (ACCOUNTS=listed); None for any."""

    def check(self, parsed: ParsedEvent) -> None:
        """Raises EventRefused where it is not ours.

        An unreadable event that names no app or account passes: Talkdesk signed it and sent it here, and nothing follows from it.
        """
        event = parsed.event
        if event.key.app not in self.apps and not (event.state is EventState.UNREADABLE and not event.key.app):
            raise EventRefused(403, "unknown_app", "the app is not configured")
        if self.accounts is None or event.account is None or event.account in self.accounts:
            return
        # What closes a door is heard from anybody: an account that was taken off the list still has to be able to leave.
        if not any(_closes(fact) for fact in parsed.facts):
            raise EventRefused(403, "account_not_listed", "the account is not listed")


def tasks_of(fact: Fact) -> Sequence[TaskKind]:
    """What follows from the fact."""
    match fact:
        case LoggedOut():
            return (TaskKind.SIGN_OUT,)
        case LicencesChanged():
            # The answer waits for the sign-outs, and for the install where that comes later.
            return (TaskKind.SIGN_OUT, TaskKind.ANSWER)
        case Rotated():
            # Nothing of it is Keycloak's business, so it does not wait for Keycloak either.
            return (TaskKind.ANSWER,)
    return (TaskKind.CONVERGE,)


def _closes(fact: Fact) -> bool:
    match fact:
        case Uninstalled() | LoggedOut():
            return True
        case LicencesChanged():
            return bool(fact.removed)
        case TrialChanged():
            return fact.step is TrialStep.EXPIRED
    return False
