"""Databases, and sample data, for the contracts of the stores."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Protocol

import psycopg
from psycopg import sql
from pydantic import SecretStr
from sqlalchemy import URL

from broker.model.credentials import Credentials, Links
from broker.model.event import Event, EventKey, EventState
from broker.model.facts import (
    Fact,
    Installed,
    LicencesChanged,
    LoggedOut,
    Rotated,
    TrialChanged,
    Uninstalled,
)
from broker.model.names import AccountId, Alias, AppId, EventId, InstallationId, TalkdeskUserId
from broker.model.sign_on import Person, SignOn, SignOnState
from broker.model.task import TaskKind
from broker.ports import Receipt
from broker.storage.database import Database, open_database, upgrade
from broker.storage.sealing import Sealer
from broker.storage.stores import Stores, open_stores
from tests.postgresql_server import PostgresqlServer, plain

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
APP = AppId("app1")
ACCOUNT = AccountId("account1")
INSTALLATION = InstallationId("installation1")
USER = TalkdeskUserId("user1")
SECRET, PRIVATE_KEY = "known-client-secret", "known-private-key"
LINKS = Links("https://api.test", "https://id.test/authorize", "https://id.test/token", "https://id.test/userinfo")

_numbers = count(1)


class Backend(Protocol):
    """One database; each `open` is what another process would have."""

    def open(self) -> Database:
        """Open it once more."""
        ...

    async def upgrade(self) -> None:
        """Give it the schema of this version."""
        ...

    def content(self) -> bytes:
        """All that it keeps."""
        ...


@dataclass(frozen=True)
class SqliteBackend:
    """A SQLite file."""

    directory: Path

    def open(self) -> Database:
        """As the protocol says."""
        return open_database(f"sqlite:///{self.directory / 'broker.sqlite3'}")

    async def upgrade(self) -> None:
        """As the protocol says."""
        database = self.open()
        await upgrade(database)
        await database.close()

    def content(self) -> bytes:
        """Every byte on disk: the file, its log of writes, and the index of that."""
        return b"".join(file.read_bytes() for file in sorted(self.directory.glob("broker.sqlite3*")))


class PostgresqlBackend:
    """A database of the server's, made when it is first needed."""

    def __init__(self, server: PostgresqlServer) -> None:
        """Nothing is made yet."""
        self.server = server
        self._made: URL | None = None

    @property
    def url(self) -> URL:
        """The database; empty where it is new."""
        if self._made is None:
            self._made = self.server.make_database()
        return self._made

    def open(self) -> Database:
        """As the protocol says."""
        return open_database(self.url.render_as_string(hide_password=False))

    async def upgrade(self) -> None:
        """As the protocol says: a copy of one that was upgraded, which takes a quarter of the time."""
        assert self._made is None, "there is a database already"
        self._made = self.server.make_database((await _template(self.server)).database or "")

    def content(self) -> bytes:
        """Every value of every table; which bytes lie on disk is the server's."""
        kept = bytearray()
        with psycopg.connect(plain(self.url)) as connection:
            tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
            for (table,) in tables:
                for row in connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table))):
                    kept += b"\n".join(value if isinstance(value, bytes) else str(value).encode() for value in row)
        return bytes(kept)

    def drop(self) -> None:
        """Away with it."""
        if self._made is not None:
            self.server.drop_database(self._made)


_templates: dict[URL, URL] = {}


async def _template(server: PostgresqlServer) -> URL:
    """A database with the schema, in which nobody is connected, which is what PostgreSQL copies."""
    if server.url not in _templates:
        url = server.make_database()
        database = open_database(url.render_as_string(hide_password=False))
        await upgrade(database)
        await database.close()
        _templates[server.url] = url
    return _templates[server.url]


def sealer() -> Sealer:
    """A sealer whose key is always the same, as for processes that share their settings."""
    return Sealer({"test": bytes(range(32))}, "test")


def stores_on(database: Database) -> Stores:
    """All stores, at the time `NOW`."""
    return open_stores(database, sealer(), lambda: NOW)


def at(seconds: float) -> datetime:
    """So many seconds after `NOW`."""
    return NOW + timedelta(seconds=seconds)


def installed(
    when: datetime = NOW, installation: InstallationId = INSTALLATION, app: AppId = APP, account: AccountId = ACCOUNT
) -> Installed:
    """An install with known secrets."""
    credentials = Credentials("client1", SecretStr(SECRET), SecretStr(PRIVATE_KEY), "key1", "ES256")
    return Installed(installation, app, account, "Acme", credentials, LINKS, when)


def uninstalled(when: datetime = NOW, installation: InstallationId = INSTALLATION) -> Uninstalled:
    """An uninstall."""
    return Uninstalled(installation, APP, ACCOUNT, when)


def logged_out(when: datetime = NOW, user: TalkdeskUserId = USER, email: str | None = None) -> LoggedOut:
    """A logout of the user."""
    return LoggedOut(INSTALLATION, ACCOUNT, user, email, when)


_TYPES = {
    Installed: "app.installed",
    Uninstalled: "app.uninstalled",
    Rotated: "app.credentials_rotated",
    TrialChanged: "app.trial_ended",
    LicencesChanged: "app.updated",
    LoggedOut: "user.logout",
}


def event_of(fact: Fact) -> Event:
    """An event, new each time, that states the fact; the body holds the same secrets."""
    app = APP if isinstance(fact, LoggedOut) else fact.app
    key = EventKey(EventId(f"event{next(_numbers)}"), app, _TYPES[type(fact)], fact.installation)
    return Event(key, fact.account, fact.created_at, EventState.TAKEN, f"{SECRET} {PRIVATE_KEY}".encode())


async def receive(stores: Stores, fact: Fact, tasks: Sequence[TaskKind] = ()) -> Receipt:
    """Receive a new event that states the fact."""
    return await stores.events.receive(event_of(fact), [fact], tasks)


def sign_on(
    begun_at: datetime = NOW,
    user: TalkdeskUserId = USER,
    email: str | None = "ana@acme.example",
    account: AccountId = ACCOUNT,
) -> SignOn:
    """A sign-on, new each time, for which a code is being issued."""
    number = next(_numbers)
    person = Person(account, user, None, email)
    return SignOn(
        id=f"sign-on{number}",
        sid=f"sid{number}",
        installation=INSTALLATION,
        person=person,
        sub="talkdesk-account1-user1",
        begun_at=begun_at,
        asked_at=NOW,
        created_at=NOW,
        state=SignOnState.CODE_ISSUED,
        alias=Alias("talkdesk-installation1"),
    )
