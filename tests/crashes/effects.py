"""What has to have come of the events that were taken: at Talkdesk, in Keycloak, in the app, in the database.

Owns: reading all four from outside, and saying in words what is missing. An event counts as taken when it is in the database: it may be
there though its sender heard nothing, since the broker was killed before it could answer.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from broker.model.task import Task, TaskKind
from broker.storage.database import open_database
from broker.storage.sql_tasks import SqlTasks
from demo.talkdesk import Event, Installation, InstallationState
from tests.crashes.customers import SignedOn
from tests.crashes.surroundings import Surroundings
from tests.fakes.keycloak.model import Session
from tests.waiting import eventually

_ANSWERED = ("app.installed", "app.updated", "app.credentials_rotated", "app.uninstalled")

Lease = tuple[str, str, int]
"""Kind, key, and number of the lease."""


@dataclass(frozen=True)
class Taken:
    """An event that is in the database."""

    event: Event
    created_at: datetime
    data: dict[str, Any]


async def until_none(find: Callable[[], list[str]], *, what: str, seconds: float) -> None:
    """Wait until nothing is found any more; fail with what is still there."""
    found: list[str] = []

    def is_none() -> bool:
        found[:] = find()
        return not found

    try:
        await eventually(is_none, what=what, seconds=seconds)
    except AssertionError as error:
        raise AssertionError("\n".join([str(error), *found[:20]])) from None


def leases(around: Surroundings) -> set[Lease]:
    """Leases that somebody holds, alive or dead."""
    return {tuple(row) for row in around.data.rows("SELECT kind, key, lease FROM task WHERE state = 'leased'")}


def open_tasks(around: Surroundings) -> list[str]:
    """Tasks that are under way, due or failed; those for later (a sign-out's next round, a daily check) are not among them."""
    now_ms = int(time.time() * 1000)
    rows = around.data.rows("SELECT kind, key, state, attempts, error, due_at FROM task WHERE state <> 'done'")
    return [str(tuple(row)) for row in rows if row.state != "waiting" or row.due_at <= now_ms]


async def reconcile(around: Surroundings, installation: Installation) -> None:
    """Let some broker look at the installation again."""
    database = open_database(around.data.url)
    await SqlTasks(database).enqueue(Task(TaskKind.CONVERGE, installation.id))
    await database.close()


def owner_of(around: Surroundings, lease: str) -> int | None:
    """Id of the process that has a lease on a task of this key (its owner is `host:process:chance`)."""
    for row in around.data.rows("SELECT key, owner FROM task WHERE state = 'leased'"):
        if row.key == lease:
            return int(row.owner.split(":")[1])
    return None


def refused_though_taken(around: Surroundings) -> list[str]:
    """Events that were answered with 2xx and are not in the database exactly once."""
    kept = [row.event_id for row in around.data.rows("SELECT event_id FROM event")]
    accepted = {each.event.id for each in around.talkdesk.deliveries if each.is_accepted}
    return [event_id for event_id in accepted if kept.count(event_id) != 1]


def missing(around: Surroundings, signed_on: list[SignedOn]) -> list[str]:
    """What is not as the events say, in words; empty when all is done."""
    taken = taken_events(around)
    heard: dict[str, set[str]] = {}
    for each in taken:
        heard.setdefault(each.event.installation_id, set()).add(each.event.type)
    # An uninstall of which Talkdesk gave up to tell: its credentials may be dead, and nothing can be said with them. They are left out
    # here; the broker marks them as suspect (docs/events.md, "Lost events").
    known = {
        installation_id: types
        for installation_id, types in heard.items()
        if around.talkdesk.state.installations[installation_id].is_installed or "app.uninstalled" in types
    }
    return [
        *_unanswered(around, known),
        *_wrong_installations(around, known),
        *_wrong_sessions(around, taken, signed_on),
    ]


def taken_events(around: Surroundings) -> list[Taken]:
    """Events that are in the database, each once."""
    kept = {row.event_id for row in around.data.rows("SELECT event_id FROM event")}
    sent = {each.event.id: each.event for each in around.talkdesk.deliveries}
    return [_read(event) for event in sent.values() if event.id in kept]


def _read(event: Event) -> Taken:
    content = json.loads(event.body)
    return Taken(event, datetime.fromisoformat(content["created_at"]), content["data"])


def _unanswered(around: Surroundings, known: Mapping[str, set[str]]) -> Iterator[str]:
    for row in around.data.rows("SELECT type, event_id, installation_id FROM event WHERE answer IS NULL"):
        if row.type in _ANSWERED and row.installation_id in known:
            yield f"{row.type} of {row.installation_id} is not answered"


def _wrong_installations(around: Surroundings, known: Mapping[str, set[str]]) -> Iterator[str]:
    erasable = {
        row.installation_id
        for row in around.data.rows("SELECT installation_id FROM fact WHERE credentials IS NOT NULL")
    }
    for installation_id, types in known.items():
        installation = around.talkdesk.state.installations[installation_id]
        if "app.uninstalled" in types:
            yield from _wrong_gone(around, installation, types, has_credentials=installation_id in erasable)
        elif "app.installed" in types:
            yield from _wrong_here(around, installation)


def _wrong_gone(
    around: Surroundings, installation: Installation, types: set[str], *, has_credentials: bool
) -> Iterator[str]:
    if _aliases(around, installation):
        yield f"{installation.id} is uninstalled and has an identity provider"
    if has_credentials:
        yield f"{installation.id} is uninstalled and has credentials"
    if "app.installed" in types and installation.current.dead_from is None:
        yield f"{installation.id} is uninstalled and Talkdesk does not know that it was heard"


def _wrong_here(around: Surroundings, installation: Installation) -> Iterator[str]:
    aliases = _aliases(around, installation)
    if len(aliases) != 1 or not around.keycloak.identity_providers[aliases[0]].is_enabled:
        yield f"{installation.id} has not one enabled identity provider: {aliases}"
    if "approve" not in installation.answers or "reject" in installation.answers:
        yield f"{installation.id} is not approved: {installation.answers}"
    is_heard = all(each.is_accepted for each in installation.deliveries)
    if is_heard and installation.state is not InstallationState.APPROVED:
        yield f"{installation.id} is {installation.state}"
    if is_heard and installation.current.awaits_acknowledgement:
        yield f"{installation.id} has rotated credentials that are not acknowledged"


def _aliases(around: Surroundings, installation: Installation) -> list[str]:
    name = f"talkdesk-{installation.id}"
    return [alias for alias in around.keycloak.identity_providers if alias == name or alias.startswith(f"{name}-")]


def _wrong_sessions(around: Surroundings, taken: list[Taken], signed_on: list[SignedOn]) -> Iterator[str]:
    sessions = around.keycloak.sessions()
    for session in sessions:
        for each in taken:
            if _ends(each, session) and session.begun_at <= each.created_at:
                yield f"session of {session.notes.get('talkdesk_user_id')} outlives {each.event.type}"
    alive = {session.id for session in sessions}
    for here in around.wallboard.signed_in:
        if here.sid not in alive:
            yield f"the app was not told of the end of session {here.sid}"
    yield from _lost_sessions(taken, signed_on, sessions)


def _lost_sessions(taken: list[Taken], signed_on: list[SignedOn], sessions: list[Session]) -> Iterator[str]:
    """Nobody is signed out without a cause."""
    present = {session.notes.get("talkdesk_user_id") for session in sessions}
    for person in signed_on:
        has_cause = any(_concerns(each, person.user.id, person.installation.account.id) for each in taken)
        if not has_cause and person.user.id not in present:
            yield f"{person.user.id} was signed out, and nobody asked for it"


def _ends(each: Taken, session: Session) -> bool:
    notes = session.notes
    return _concerns(each, notes.get("talkdesk_user_id", ""), notes.get("talkdesk_account_id", ""))


def _concerns(each: Taken, user: str, account: str) -> bool:
    """Whether it is an event that ends sessions of this person."""
    if each.event.type == "user.logout":
        return bool(each.data["user_id"] == user)
    if each.event.type == "app.updated":
        return user in each.data.get("users", {}).get("removing", ())
    return each.event.type == "app.uninstalled" and each.data["account_id"] == account
