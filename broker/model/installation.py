"""An installation: one app in one Talkdesk account, folded from its facts.

All times are Talkdesk's `created_at`; in which order facts arrive, and how often, means nothing. Of facts of the same time:

- install and uninstall: the uninstall wins. A door that should be open is opened again by a person, one that should be closed is noticed
  by nobody.
- credentials: a rotated set is newer than the one of an install; of two alike the greater key id and client id is.
- trial: an end that closes wins over one that doesn't, and any end over start and extension.
- the operator's word and a trial that expired: the trial closes.

A *life* of an installation begins after its last uninstall; rotations and trials of a former life count no more in the next one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from broker.model.credentials import Credentials, Links
from broker.model.facts import InstallationFact, Installed, Rotated, TrialChanged, TrialStep, Uninstalled
from broker.model.names import AccountId, AppId, InstallationId, Slug, slug_of


class Closure(StrEnum):
    """Why nobody may sign on through an installation."""

    UNINSTALLED = "uninstalled"
    SUSPENDED = "suspended"
    """By the operator."""
    TRIAL_EXPIRED = "trial expired"


@dataclass(frozen=True)
class OperatorWord:
    """What the operator said last about an installation; it outlives an uninstall."""

    suspends: bool
    at: datetime
    """On our clock."""


@dataclass(frozen=True)
class CredentialSet:
    """Credentials, and what is known about them."""

    credentials: Credentials
    created_at: datetime
    is_proven: bool
    """Whether it may be used: it came with the install, or Talkdesk gave a token for it."""


@dataclass(frozen=True)
class Installation:
    """State of one installation."""

    id: InstallationId
    app: AppId
    account: AccountId
    account_name: str
    credentials: Credentials | None
    """The set in use: the newest proven one. None where there is none, or they are erased."""
    links: Links | None
    """Those of the first install of this life: a later event can't move the token endpoint. None where only an uninstall was heard of."""
    changed_at: datetime
    """When it was installed if it is active, else when it was closed."""
    closure: Closure | None = None
    credential_sets: tuple[CredentialSet, ...] = ()
    """All that are not erased, newest first."""
    began_after: datetime | None = None
    """The uninstall before this life; None in the first one."""
    trial: TrialChanged | None = None
    """What was last heard of its trial."""
    suspect_since: datetime | None = None
    """On our clock: since when Talkdesk refuses its credentials, as if its `app.uninstalled` had been lost. Closes nothing."""

    @property
    def slug(self) -> Slug:
        """Its name in URLs and aliases."""
        return slug_of(self.id)

    @property
    def is_active(self) -> bool:
        """Whether anybody may sign on through it."""
        return self.closure is None

    @property
    def is_installed(self) -> bool:
        """Whether the account has the app; it may be suspended all the same."""
        return self.closure is not Closure.UNINSTALLED

    def credentials_of(self, client_id: str) -> Credentials | None:
        """The set of this client id: the one in use if it has it, else the newest; None where it is retired."""
        if self.credentials is not None and self.credentials.client_id == client_id:
            return self.credentials
        sets = (each.credentials for each in self.credential_sets if each.credentials.client_id == client_id)
        return next(sets, None)


def fold(facts: Iterable[InstallationFact], word: OperatorWord | None = None) -> Installation | None:
    """State that follows from the facts of one installation and the operator's word; None before an install or uninstall was heard of."""
    newest_first = sorted(facts, key=_precedence, reverse=True)
    lives = [fact for fact in newest_first if isinstance(fact, Installed | Uninstalled)]
    if not lives:
        return None
    newest = lives[0]
    installs = [fact for fact in lives if isinstance(fact, Installed)]
    began_after = _began_after(lives, installs)
    of_life = [
        fact
        for fact in newest_first
        if (began_after is None or fact.created_at > began_after)
        and (isinstance(newest, Installed) or fact.created_at <= newest.created_at)
    ]
    installs_of_life = [fact for fact in of_life if isinstance(fact, Installed)]
    trials = [fact for fact in of_life if isinstance(fact, TrialChanged)]
    sets = _sets(of_life)
    closure, changed_at = _closure(newest, trials, word)
    return Installation(
        id=newest.installation,
        app=newest.app,
        account=newest.account,
        account_name=installs[0].account_name if installs else "",
        credentials=next((each.credentials for each in sets if each.is_proven), None),
        links=installs_of_life[-1].links if installs_of_life else None,
        changed_at=changed_at,
        closure=closure,
        credential_sets=sets,
        began_after=began_after,
        trial=trials[0] if trials else None,
    )


def _began_after(lives: Sequence[Installed | Uninstalled], installs: Sequence[Installed]) -> datetime | None:
    """The last uninstall before the last install."""
    if not installs:
        return None
    earlier = (fact.created_at for fact in lives if isinstance(fact, Uninstalled))
    return next((time for time in earlier if time < installs[0].created_at), None)


def _sets(newest_first: Iterable[InstallationFact]) -> tuple[CredentialSet, ...]:
    """Each set once, with all that is known about it."""
    sets: list[CredentialSet] = []
    for fact in newest_first:
        if not isinstance(fact, Installed | Rotated) or fact.credentials is None:
            continue
        is_proven = isinstance(fact, Installed) or fact.is_proven
        same = next((at for at, each in enumerate(sets) if each.credentials == fact.credentials), None)
        if same is None:
            sets.append(CredentialSet(fact.credentials, fact.created_at, is_proven))
        elif is_proven:
            sets[same] = replace(sets[same], is_proven=True)
    return tuple(sets)


def _closure(
    newest: Installed | Uninstalled, trials: Sequence[TrialChanged], word: OperatorWord | None
) -> tuple[Closure | None, datetime]:
    """Why and since when it is closed; where it is open, when it was installed."""
    if isinstance(newest, Uninstalled):
        return Closure.UNINSTALLED, newest.created_at
    if word is not None and word.suspends:
        return Closure.SUSPENDED, word.at
    # An end for another reason opens no door again: only what goes on, or an upgrade, does.
    trial = next((each for each in trials if each.step is not TrialStep.ENDED), None)
    if trial is not None and trial.suspends and (word is None or word.at <= trial.created_at):
        return Closure.TRIAL_EXPIRED, trial.created_at
    return None, newest.created_at


_RANKS = (TrialStep.STARTED, TrialStep.EXTENDED, TrialStep.ENDED, TrialStep.UPGRADED, TrialStep.EXPIRED)


def _precedence(fact: InstallationFact) -> tuple[Any, ...]:
    """Newest first, and then by the rules above; to the last difference, so that the order of arrival is no part of it."""
    if isinstance(fact, Uninstalled):
        return fact.created_at, 3
    if isinstance(fact, TrialChanged):
        return fact.created_at, 2, _RANKS.index(fact.step), fact.suspends, fact.expires_at
    known = fact.credentials
    name = (known.key_id, known.client_id, known.private_key.get_secret_value()) if known else ("", "", "")
    if isinstance(fact, Rotated):
        return fact.created_at, 1, *name, fact.is_proven
    return fact.created_at, 0, *name, fact.account_name, repr(fact.links)
