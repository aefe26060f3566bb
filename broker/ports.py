"""Ports: what the flows need from outside, in the words of the model.

Stores: every method is one transaction, and none is open while a network call runs. Adapters live in `storage`, `talkdesk` and `realm`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from broker.model.credentials import Credentials
from broker.model.delivery import Delivery, DeliveryState, ReceivedToken
from broker.model.event import Event, EventKey
from broker.model.facts import Fact, LoggedOut
from broker.model.failure import Failure, Streak
from broker.model.identity_provider import KnownProvider, ProviderRecord
from broker.model.installation import Installation
from broker.model.logout import Completed, Logout, LogoutCause
from broker.model.names import AccountId, Alias, AppId, InstallationId, Slug, TalkdeskUserId
from broker.model.realm_user import MatchRule, RealmUser
from broker.model.sign_on import SignOn, SignOnState
from broker.model.task import Claim, Task, TaskKind

Clock = Callable[[], datetime]
"""Now, as an aware time in UTC."""

Json = dict[str, Any]


# --- Stores ---------------------------------------------------------------------------------------


class Receipt(StrEnum):
    """What became of a delivery."""

    NEW = "new"
    DUPLICATE = "duplicate"
    OTHER_OWNER = "other owner"
    """The installation belongs to another app or account; nothing was stored."""


class Events(Protocol):
    """Events, with the facts that they state."""

    async def receive(self, event: Event, facts: Sequence[Fact], tasks: Sequence[TaskKind]) -> Receipt:
        """Store the event, its facts, and a task of each kind, all or nothing.

        Keys of tasks are of the store's making: `CONVERGE` is keyed by the event's installation, `ANSWER` by the row of the event, `SIGN_OUT`
        by the row of each `LoggedOut`, of which each removed person of a `LicencesChanged` brings one.
        An installation's app and account are fixed by the first fact about it.
        """
        ...

    async def get_whole(self, number: str) -> Event:
        """An event by its row number, with its body; that is empty once it is erased. Raises KeyError."""
        ...

    async def replay(self, number: str, event: Event, facts: Sequence[Fact], tasks: Sequence[TaskKind]) -> Receipt:
        """As `receive`, for an event that is kept already, but not taken: what was read of its body now replaces what was read then.

        DUPLICATE, and nothing changes, where it is taken, or the same event came once more meanwhile and has a row of its own.
        """
        ...

    async def unanswered(self, installation: InstallationId) -> Sequence[tuple[str, EventKey]]:
        """Taken events that are owed an answer, oldest first: number of the row (key of `ANSWER`) and key."""
        ...

    async def get(self, number: str) -> tuple[EventKey, datetime | None]:
        """Key and `created_at` of an event by its row number. Raises KeyError."""
        ...

    async def mark_answered(self, number: str, answer: str) -> None:
        """Record what Talkdesk was told (`approve`, `reject`, `acknowledge`, `none owed`)."""
        ...


class Installations(Protocol):
    """Installations, as their facts fold."""

    async def find(self, installation: InstallationId) -> Installation | None:
        """The installation; None if nothing was heard of it."""
        ...

    async def find_by_slug(self, slug: Slug) -> Installation | None:
        """The installation of this name in URLs."""
        ...

    async def active_apps(self, account: AccountId) -> Sequence[AppId]:
        """Apps that have an active installation in the account, sorted, each once."""
        ...

    async def erase_credentials(self, installation: InstallationId, up_to: datetime) -> None:
        """Forget the credentials of all installs and rotations created up to then, and the bodies of events that held them."""
        ...

    async def mark_proven(self, installation: InstallationId, credentials: Credentials, at: datetime) -> None:
        """Talkdesk gave a token for this rotated set: from now on it may be in use."""
        ...

    async def retire_credentials(self, installation: InstallationId, retired: Collection[Credentials]) -> None:
        """Forget these sets, and the bodies of events that held them."""
        ...

    async def is_removed(self, installation: Installation, user: TalkdeskUserId) -> bool:
        """Whether the person's licence for it was removed, and not given again."""
        ...

    async def suspend(self, installation: InstallationId, at: datetime) -> bool:
        """The operator closes it, and a converge is asked for; False where it is unknown. Said twice, the first time counts."""
        ...

    async def resume(self, installation: InstallationId, at: datetime) -> bool:
        """The operator opens it, also after a trial that expired before then, and a converge is asked for; False where it is unknown."""
        ...

    async def mark_suspect(self, installation: InstallationId, since: datetime) -> None:
        """Talkdesk refuses its credentials; said again, the first time counts."""
        ...

    async def clear_suspect(self, installation: InstallationId) -> None:
        """They work."""
        ...


@dataclass(frozen=True)
class Asked:
    """Who is to be signed out, and where that comes from."""

    logout: LoggedOut
    cause: LogoutCause
    event: int
    """Row of the event."""
    received_at: datetime


class Logouts(Protocol):
    """What `user.logout` events said, and the logouts that removals and operators brought."""

    async def get(self, number: int) -> Asked:
        """By row number. Raises KeyError."""
        ...

    async def are_done(self, event: str) -> bool:
        """Whether the first round of every sign-out that this event asked for (by its row number) is done."""
        ...


class Tasks(Protocol):
    """Work that is due. Leases go by the database's clock."""

    async def enqueue(self, task: Task, after: timedelta = timedelta()) -> None:
        """Ask for the task, due `after` from now; asked for already, it is due at the earlier time and counts as asked for anew."""
        ...

    async def claim(self, owner: str, wanted: Mapping[TaskKind, int], lease: timedelta) -> Sequence[Claim]:
        """Lease due tasks, oldest first, at most so many of each kind; a task whose lease ran out is due again."""
        ...

    async def finish(self, claim: Claim) -> bool:
        """Mark done; False, and nothing changes, where the lease is no longer this claim's. Asked for again meanwhile: due again at once."""
        ...

    async def postpone(
        self, claim: Claim, after: timedelta, error: str | None, *, is_alarming: bool = False, is_anew: bool = False
    ) -> bool:
        """Try again `after` from now; False as in `finish`. Alarming: visible as such until it is claimed again. Anew: attempts count from 0."""
        ...

    async def give_up(self, claim: Claim, error: str) -> bool:
        """Leave it as failed, visible, until it is asked for again; False as in `finish`."""
        ...

    async def next_due(self) -> timedelta | None:
        """Time until the next task is due (not negative); None where nothing waits."""
        ...

    async def enqueue_all(self, kind: TaskKind, keys: Sequence[str]) -> None:
        """As `enqueue`, each of them, due now."""
        ...

    async def unfinished(self, kind: TaskKind, keys: Collection[str]) -> Mapping[str, str | None]:
        """Of these the keys that are not done, each with what its last try ended with; None where it was not tried since it was asked for."""
        ...


class ProviderRecords(Protocol):
    """Which aliases were used for which installation."""

    async def find_latest(self, installation: InstallationId) -> ProviderRecord | None:
        """The newest generation, in whatever state."""
        ...

    async def reserve(self, installation: InstallationId) -> ProviderRecord:
        """The newest generation if it is reserved or live, else the next one, reserved."""
        ...

    async def mark_live(self, alias: Alias) -> None:
        """It was seen complete in the realm."""
        ...

    async def mark_withdrawn(self, alias: Alias) -> None:
        """It is gone for good."""
        ...

    async def used(self, installation: InstallationId) -> Sequence[ProviderRecord]:
        """All generations that were ever live, oldest first."""
        ...

    async def live_of_account(self, account: AccountId) -> Sequence[ProviderRecord]:
        """The live ones of all installations of the account, by alias: one for each of its apps."""
        ...


class KnownProviders(Protocol):
    """Installations with their identity providers, as the database knows them, many at a time: what a reconcile compares the realm with."""

    async def count(self) -> int:
        """How many installations there are."""
        ...

    async def by_alias(self, aliases: Collection[Alias]) -> Mapping[Alias, KnownProvider]:
        """Those of these aliases that were ever ours."""
        ...

    async def page(
        self, size: int, after: InstallationId | None = None
    ) -> Sequence[tuple[InstallationId, KnownProvider]]:
        """Installations in the order of their ids, at most so many of those that follow the given one; each with its newest generation."""
        ...


class Repairs(Protocol):
    """How often our fields had to be written again, so that nobody fights with us for ever."""

    async def contested(self, aliases: Collection[Alias], now: datetime) -> Mapping[Alias, frozenset[str]]:
        """By alias the fields that were repaired so often of late that they are not repaired again for now."""
        ...

    async def note(self, alias: Alias, fields: Collection[str], now: datetime) -> None:
        """These were just repaired."""
        ...

    async def call_for_people(self, alias: Alias, now: datetime) -> bool:
        """Ask for the alert that somebody else writes our fields; False where that was done a short time ago."""
        ...

    async def forget(self, repaired_before: datetime) -> int:
        """Delete what was noted before then; how many."""
        ...


class Turns(Protocol):
    """Who may do what only one process at a time may do. Leases go by the database's clock."""

    async def take(self, name: str, owner: str, lease: timedelta, *, every: timedelta = timedelta()) -> bool:
        """Whether it is this owner's turn now: nobody else's lease runs, and the last turn that was done ended `every` ago at least."""
        ...

    async def renew(self, name: str, owner: str, lease: timedelta) -> bool:
        """Keep it for so long from now; False where the lease has run out."""
        ...

    async def give_back(self, name: str, owner: str, *, is_done: bool) -> None:
        """It is over. Not done: it may be taken again at once."""
        ...


class OneTimeKind(StrEnum):
    """Purposes of one-time values; a value is nothing for another purpose."""

    LAUNCH = "launch"
    """State of a launch, from `/launch` to `/launch/return`."""
    TALKDESK = "talkdesk"
    """State sent to Talkdesk, consumed at the callback."""
    CODE = "code"
    """Authorization code for Keycloak."""
    ASSERTION = "assertion"
    """`jti` of a client assertion that was taken."""
    PROOF = "proof"
    """A person proven in this browser, for the next `authorize`."""
    RELAY = "relay"
    """A logout token of Keycloak's that an app has not confirmed."""


class OneTimeValues(Protocol):
    """Values that work once; kept as a hash, with sealed content."""

    async def save(
        self, kind: OneTimeKind, value: str, content: Json, expires_at: datetime, *, holder: str | None = None
    ) -> bool:
        """Keep a value that was just made or seen; False where it is known already (then nothing changes)."""
        ...

    async def has_open(self, kind: OneTimeKind, holder: str, now: datetime) -> bool:
        """Whether any value of this holder is neither used nor expired."""
        ...

    async def find(self, kind: OneTimeKind, value: str, now: datetime) -> Json | None:
        """Its content while it is neither used nor expired; does not use it up."""
        ...

    async def recall(self, kind: OneTimeKind, value: str, now: datetime) -> Json | None:
        """Content of a value that was used and has not expired: to know what it was about, never to grant anything for it."""
        ...

    async def consume(self, kind: OneTimeKind, value: str, now: datetime) -> Json | None:
        """Its content, once; None where unknown, expired or used. Of several at the same instant one gets it."""
        ...

    async def delete_expired(self, now: datetime) -> int:
        """Forget what expired; how many."""
        ...


class Deliveries(Protocol):
    """Logout tokens of Keycloak's on their way to apps. Times are our clock's."""

    async def receive(self, received: ReceivedToken, now: datetime, due_at: datetime) -> int | None:
        """Keep it, with the task that delivers it if nobody does before `due_at`; its number. None where its `jti` is known already.

        It belongs to the logout that ended the Keycloak session; where nobody saw that session, to the one that just ended its person's.
        """
        ...

    async def due(self, relay: str, now: datetime, most: int) -> Sequence[Delivery]:
        """Open ones of this app that are due, those that wait longest first; at most so many."""
        ...

    async def next_due(self, relay: str) -> datetime | None:
        """When the next open one of this app is due; None where none is open."""
        ...

    async def postpone(self, number: int, now: datetime, due_at: datetime, answer: str) -> None:
        """A try failed: try again then. The task comes in time for it."""
        ...

    async def settle(self, number: int, state: DeliveryState, now: datetime, answer: str) -> Completed | None:
        """No more tries. The logout that it belongs to, where that is complete by it; said again, nothing changes."""
        ...

    async def forget(self, received_before: datetime) -> int:
        """Delete the records of those that were received before then; how many."""
        ...


class LogoutRecords(Protocol):
    """What was to be signed out, and how far it came. Times are our clock's."""

    async def begin(self, logout: Logout, now: datetime) -> int:
        """Its number; begun before, its record goes on."""
        ...

    async def note_problem(self, number: int, problem: str) -> None:
        """Why it is not told yet."""
        ...

    async def mark_told(self, number: int, now: datetime, problem: str | None) -> Completed | None:
        """Keycloak has answered for every session; the logout, where it is complete by that. `problem`: what Keycloak could not do."""
        ...

    async def forget(self, asked_before: datetime) -> int:
        """Delete those that were asked for before then; how many."""
        ...


class SignOns(Protocol):
    """Sign-ons that we vouched for."""

    async def save(self, sign_on: SignOn) -> bool:
        """Keep a new one for which a code is issued; False, and it is not kept, where the person was logged out at or after its begin."""
        ...

    async def find(self, sign_on_id: str) -> SignOn | None:
        """By id."""
        ...

    async def advance(self, sign_on_id: str, state: SignOnState) -> bool:
        """Move on to a later state; False where it has ended or is at that state or past it."""
        ...

    async def of_person(
        self, account: AccountId, user: TalkdeskUserId, up_to: datetime | None = None
    ) -> Sequence[SignOn]:
        """Sign-ons of this person, begun up to then, that Keycloak may still hold: `mark_told` was not called.

        Ended ones are among them until Keycloak was told; oldest first.
        """
        ...

    async def user_of_email(self, account: AccountId, email: str) -> TalkdeskUserId | None:
        """Whose latest sign-on in the account had this address, without regard to case."""
        ...

    async def is_known(self, account: AccountId, user: TalkdeskUserId) -> bool:
        """Whether this Talkdesk user ever signed on."""
        ...

    async def has_newer(self, account: AccountId, user: TalkdeskUserId, begun_after: datetime) -> bool:
        """Whether a sign-on of this person, not ended, began after then."""
        ...

    async def of_account(
        self, account: AccountId, up_to: datetime, through: InstallationId, most: int, after: SignOn | None = None
    ) -> Sequence[SignOn]:
        """As `of_person`, for everybody of the account, and without a limit in time for those through this installation.

        At most so many, of those that come after the given one.
        """
        ...

    async def end(self, sign_on_ids: Sequence[str], logout: int | None = None) -> None:
        """Mark ended, by this logout if by any: their codes and tokens are worth nothing from now on. Ended again, the first time counts."""
        ...

    async def take(self, sign_on_ids: Sequence[str], logout: int | None, within: timedelta) -> Sequence[str]:
        """As `end`; and those that the caller is to tell Keycloak of: nobody else does so already, since less than `within`."""
        ...

    async def note_answer(self, sign_on_ids: Sequence[str], status: int | None) -> None:
        """What Keycloak answered when it was told that these have ended; None where it did not. Somebody else may tell it now."""
        ...

    async def mark_told(self, sign_on_ids: Sequence[str]) -> None:
        """Keycloak knows that these have ended: no need to tell it again."""
        ...

    async def note_session(self, sign_on_id: str, session: str, user: str) -> None:
        """Keycloak's own ids of the session and the user that this sign-on became."""
        ...

    async def end_old(self, created_before: datetime) -> int:
        """End those of before then, of which no session can be left: nobody has to be told. How many."""
        ...


class Accounts(Protocol):
    """What is remembered of a Talkdesk account."""

    async def user_id_source(self, account: AccountId, offered: str) -> str:
        """Which field of userinfo names this account's users: `offered` where none was chosen before, else the one chosen first."""
        ...


class IssuerKeys(Protocol):
    """Private keys of the issuers, sealed."""

    async def all(self) -> Sequence[Json]:
        """Private JWKs, newest first; the first one signs."""
        ...

    async def add_first(self, jwk: Json) -> Sequence[Json]:
        """Keep this key if there is none yet; the keys as in `all`. Several processes that start together get the same."""
        ...


class Failures(Protocol):
    """Records of failed sign-ons."""

    async def save(self, failure: Failure, *, alert_after: int | None = None) -> None:
        """Keep it under its reference.

        With `alert_after` it counts in its installation's row, where that is known; at so many in a row the task `alert` is asked for,
        at most once an hour.
        """
        ...

    async def launch_arrived(self, installation: InstallationId) -> None:
        """A launch reached its app: what failed before is no row any more."""
        ...

    async def streak(self, installation: str) -> Streak | None:
        """Its row of failures as it stands; None where it has none, or its last failure is no longer kept."""
        ...

    async def find(self, reference: str) -> Failure | None:
        """By reference."""
        ...


class Retention(Protocol):
    """Lets go of what was kept for a time only.

    What makes an event count once stays for ever: its key, and the facts that it stated, the end of an installation among them.
    """

    async def forget(self, before: datetime, most: int) -> int:
        """Erase bodies of events received before then, delete tasks done and failures that are older; at most so many of each. How many."""
        ...


class Meta(Protocol):
    """Facts about this deployment."""

    async def instance_id(self) -> str:
        """Id of this broker's database, made once; marks our identity providers in the realm."""
        ...


# --- Talkdesk -------------------------------------------------------------------------------------


class EventKeySource(Protocol):
    """Talkdesk's public event keys."""

    async def fetch(self, root: str, key_id: str) -> EllipticCurvePublicKey | None:
        """The key of this id at a listed gateway; None where Talkdesk does not know it. Raises LinkRefused, TalkdeskError."""
        ...


@dataclass(frozen=True)
class TokenAnswer:
    """Talkdesk's answer to an authorization code."""

    access_token: str
    id_token: str | None
    answered_at: datetime
    """`Date` of the answer: Talkdesk's clock, whole seconds."""

    def __repr__(self) -> str:
        """Without the tokens."""
        return f"TokenAnswer(answered_at={self.answered_at!r})"


class TalkdeskOAuth(Protocol):
    """The authorization server upstream, per installation."""

    def authorization_url(self, installation: Installation, *, state: str, nonce: str, code_challenge: str) -> str:
        """Where the browser goes to prove who it is. Raises TalkdeskError without credentials, or where the host is no longer listed."""
        ...

    async def exchange(self, installation: Installation, *, code: str, code_verifier: str) -> TokenAnswer:
        """Redeem a code with the credentials in use; never sent twice. Raises TalkdeskError."""
        ...

    async def userinfo(self, installation: Installation, access_token: str) -> Json:
        """Claims of the person. Raises TalkdeskError."""
        ...


class Apps(Protocol):
    """Talkdesk's Apps API. All raise TalkdeskError."""

    async def approve(self, installation: Installation) -> None:
        """Say that the installation is set up; also how an uninstall is acknowledged. Raises TalkdeskError."""
        ...

    async def reject(self, installation: Installation, reason: str) -> None:
        """Say that it will not be; the customer's administrator may read the reason. Raises TalkdeskError."""
        ...

    async def prove(self, installation: Installation, credentials: Credentials) -> None:
        """Ask for a token with these, and let nothing that is remembered answer for them. Raises TalkdeskError."""
        ...

    async def acknowledge(self, installation: Installation, credentials: Credentials) -> None:
        """Say that these are in use; Talkdesk ends all other sets then. Raises TalkdeskError."""
        ...


# --- Keycloak -------------------------------------------------------------------------------------


class IdentityProviders(Protocol):
    """Identity providers of the realm, as Keycloak's JSON. All raise KeycloakError."""

    async def find(self, alias: Alias) -> Json | None:
        """The representation; None if there is none."""
        ...

    async def page(self, first: int, size: int) -> Sequence[Json]:
        """Whole representations, also of what is not ours, by alias: at most `size`, after the first so many.

        What is made or deleted meanwhile may shift the others: one may come twice, or not at all.
        """
        ...

    async def create(self, representation: Json) -> bool:
        """False where the alias is taken."""
        ...

    async def replace(self, representation: Json) -> None:
        """Replace all of it, as Keycloak's PUT does."""
        ...

    async def delete(self, alias: Alias) -> None:
        """Gone afterwards, also if it was gone before."""
        ...

    async def mappers(self, alias: Alias) -> Sequence[Json]:
        """Its mappers."""
        ...

    async def create_mapper(self, alias: Alias, mapper: Json) -> None:
        """Add one."""
        ...

    async def replace_mapper(self, alias: Alias, mapper: Json) -> None:
        """Replace one; `mapper` holds its `id`."""
        ...


class RealmUsers(Protocol):
    """Users of a realm that somebody else owns: never written. All raise KeycloakError."""

    async def linked(self, alias: Alias, sub: str) -> Sequence[RealmUser]:
        """Whom a sign-on of `sub` through this identity provider signs on: one, or nobody yet."""
        ...

    async def matching(self, rule: MatchRule, value: str) -> Sequence[RealmUser]:
        """Whom the rule names with this value, exactly; of many, at least two."""
        ...

    async def links(self, user_id: str) -> Mapping[Alias, str]:
        """Identity providers that sign this user on, with the `sub` there."""
        ...


class LogoutEndpoint(Protocol):
    """Keycloak's back-channel logout endpoint (OpenID Connect Back-Channel Logout 1.0)."""

    async def post(self, logout_token: str) -> int:
        """HTTP status of Keycloak's answer. Raises KeycloakError where none came."""
        ...


class AppLogoutUrl(Protocol):
    """An app's back-channel logout URL (OpenID Connect Back-Channel Logout 1.0, 2.5)."""

    async def post(self, logout_token: str, within: timedelta) -> int:
        """HTTP status of the app's answer. Raises AppError where none came."""
        ...


class RealmKeys(Protocol):
    """The realm's public keys: they sign Keycloak's client assertions and ID tokens."""

    async def verify(self, token: str, now: datetime) -> Json:
        """Claims of a token that the realm signed with RS256; lifetime and audience are the caller's to check. Raises ValueError, KeycloakError."""
        ...


class LaunchClient(Protocol):
    """Us as a relying party of the realm: client `talkdesk-launch`."""

    def authorization_url(
        self, *, alias: Alias, state: str, nonce: str, code_challenge: str, proof: str | None = None
    ) -> str:
        """Keycloak's authorization endpoint with the hint for this identity provider, to which `proof` is passed on."""
        ...

    async def exchange(self, code: str, code_verifier: str) -> str:
        """The ID token of a code. Raises KeycloakError."""
        ...


# --- The operator ---------------------------------------------------------------------------------


class Webhook(Protocol):
    """Takes a word for people."""

    async def post(self, content: Json) -> None:
        """Hand it over. Raises OutsideError."""
        ...
