"""Lists for operators: events, installations and accounts, page by page, each page by the key of the last row before it.

An installation's state is folded from its facts here too, for a page at a time; no credentials are opened for it.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, case, func, select, true

from broker.listing import AccountRow, EventFilter, EventRow, InstallationFilter, InstallationRow, Page
from broker.model.event import EventState
from broker.model.installation import Installation
from broker.storage import schema
from broker.storage.database import Database
from broker.storage.sql_events import OWED_AN_ANSWER
from broker.storage.sql_installations import fold_rows

_event, _fact, _installation = schema.event.c, schema.fact.c, schema.installation.c
_provider = schema.identity_provider.c


class SqlEventList:
    """Port `EventList`. Bodies stay in the database."""

    def __init__(self, database: Database) -> None:
        """Events in this database."""
        self._database = database

    async def page(self, wanted: EventFilter, size: int, start: str | None = None) -> Page[EventRow]:
        """As the port says."""
        conditions = _conditions(wanted)
        if start is not None:
            conditions.append(_event.number < int(start))
        query = select(*_EVENT_COLUMNS).where(*conditions).order_by(_event.number.desc()).limit(size)
        found = await self._database.read(lambda connection: connection.execute(query).all())
        rows = [_event_of(row) for row in found]
        return Page(rows, str(rows[-1].number) if len(rows) == size else None)

    async def find(self, number: int) -> EventRow | None:
        """As the port says."""
        query = select(*_EVENT_COLUMNS).where(_event.number == number)
        row = await self._database.read(lambda connection: connection.execute(query).first())
        return None if row is None else _event_of(row)


class SqlInstallationList:
    """Port `InstallationList`."""

    def __init__(self, database: Database) -> None:
        """Installations in this database."""
        self._database = database

    async def page(self, wanted: InstallationFilter, size: int, start: str | None = None) -> Page[InstallationRow]:
        """As the port says. A state is known after folding only, so the filter for it makes a page shorter."""
        conditions: list[ColumnElement[bool]] = [
            column == value
            for column, value in ((_installation.account_id, wanted.account), (_installation.app_id, wanted.app))
            if value is not None
        ]
        if wanted.only_suspect:
            conditions.append(_installation.suspect_since.is_not(None))
        if start is not None:
            conditions.append(_installation.id > start)
        query = select(schema.installation).where(*conditions).order_by(_installation.id).limit(size)
        rows, last = await self._read(query, size)
        return Page([row for row in rows if wanted.state in (None, row.state)], last)

    async def find(self, installation: str) -> InstallationRow | None:
        """As the port says."""
        rows, _ = await self._read(select(schema.installation).where(_installation.id == installation), 2)
        return rows[0] if rows else None

    async def _read(self, query: Select[Any], size: int) -> tuple[list[InstallationRow], str | None]:
        def work(connection: Connection) -> tuple[list[InstallationRow], str | None]:
            owners = connection.execute(query).all()
            ids = [owner.id for owner in owners]
            folded, with_credentials = folded_many(connection, _fact.installation_id.in_(ids))
            providers = newest_providers(connection, ids)
            rows = [
                _installation_of(owner, folded.get(owner.id), providers.get(owner.id), owner.id in with_credentials)
                for owner in owners
            ]
            return rows, ids[-1] if len(ids) == size else None

        return await self._database.read(work)


class SqlAccountList:
    """Port `AccountList`."""

    def __init__(self, database: Database) -> None:
        """Accounts in this database."""
        self._database = database

    async def page(self, size: int, start: str | None = None) -> Page[AccountRow]:
        """As the port says."""
        return await self._read(true() if start is None else _installation.account_id > start, size)

    async def find(self, account: str) -> AccountRow | None:
        """As the port says."""
        found = await self._read(_installation.account_id == account, 1)
        return found.rows[0] if found.rows else None

    async def _read(self, which: ColumnElement[bool], size: int) -> Page[AccountRow]:
        query = (
            select(_installation.account_id, func.count().label("installations"), schema.account.c.user_id_source)
            .outerjoin(schema.account, schema.account.c.id == _installation.account_id)
            .where(which)
            .group_by(_installation.account_id, schema.account.c.user_id_source)
            .order_by(_installation.account_id)
            .limit(size)
        )

        def work(connection: Connection) -> Page[AccountRow]:
            found = connection.execute(query).all()
            ids = [row.account_id for row in found]
            folded, _ = folded_many(connection, _installation.account_id.in_(ids))
            rows = [
                _account_of(row, [each for each in folded.values() if each.account == row.account_id]) for row in found
            ]
            return Page(rows, ids[-1] if len(ids) == size else None)

        return await self._database.read(work)


_EVENT_COLUMNS = (
    *(column for column in schema.event.columns if column.name != "body"),
    _event.body.is_not(None).label("body_kept"),
)


def _conditions(wanted: EventFilter) -> list[ColumnElement[bool]]:
    by_value = (
        (_event.type, wanted.type),
        (_event.state, wanted.state),
        (_event.installation_id, wanted.installation),
        (_event.account_id, wanted.account),
        (_event.app_id, wanted.app),
    )
    conditions: list[ColumnElement[bool]] = [column == value for column, value in by_value if value is not None]
    if wanted.since is not None:
        conditions.append(_event.received_at >= wanted.since)
    if wanted.only_unanswered:
        owed = (_event.type.in_(OWED_AN_ANSWER), _event.state == EventState.TAKEN.value, _event.answer.is_(None))
        conditions.extend(owed)
    return conditions


def _event_of(row: Row[Any]) -> EventRow:
    return EventRow(
        number=row.number,
        event=row.event_id,
        type=row.type,
        app=row.app_id,
        account=row.account_id,
        installation=row.installation_id or None,
        created_at=row.created_at,
        received_at=row.received_at,
        state=row.state,
        answer=row.answer,
        body_kept=bool(row.body_kept),
    )


def folded_many(
    connection: Connection, which: ColumnElement[bool]
) -> tuple[Mapping[str, Installation], frozenset[str]]:
    """Installations by id, without credentials, and the ids of those that have some."""
    # Whether there are credentials is asked of the database; what is sealed is not fetched.
    columns: list[Any] = [
        case((_fact.credentials.is_not(None), 1), else_=0).label("has_credentials")
        if column.name == "credentials"
        else column
        for column in schema.fact.columns
    ]
    query: Select[Any] = (
        select(*columns, *(column for column in _installation if column.name not in ("id", "slug")))
        .join(schema.installation, _installation.id == _fact.installation_id)
        .where(which)
        .order_by(_fact.installation_id)
    )
    folded: dict[str, Installation] = {}
    with_credentials = set()
    for installation, group in groupby(connection.execute(query), key=lambda row: str(row.installation_id)):
        rows = list(group)
        state = fold_rows(rows, None)
        if state is not None:
            folded[installation] = state
        if any(row.has_credentials for row in rows):
            with_credentials.add(installation)
    return folded, frozenset(with_credentials)


def newest_providers(connection: Connection, ids: Sequence[str]) -> Mapping[str, Row[Any]]:
    query = select(schema.identity_provider).where(_provider.installation_id.in_(ids)).order_by(_provider.generation)
    return {row.installation_id: row for row in connection.execute(query)}  # the last one of each stays


def state_of(installation: Installation | None) -> str:
    """An installation's state, in a word or two."""
    if installation is None:
        return "only heard of"
    return "active" if installation.closure is None else installation.closure.value


def _installation_of(
    owner: Row[Any], folded: Installation | None, provider: Row[Any] | None, credentials_kept: bool
) -> InstallationRow:
    return InstallationRow(
        installation=owner.id,
        app=owner.app_id,
        account=owner.account_id,
        account_name=folded.account_name or None if folded else None,
        state=state_of(folded),
        changed_at=folded.changed_at if folded else None,
        alias=provider.alias if provider else None,
        identity_provider=provider.state if provider else None,
        credentials_kept=credentials_kept,
        suspect_since=owner.suspect_since,
    )


def _account_of(row: Row[Any], installations: Iterable[Installation]) -> AccountRow:
    newest_first = sorted(installations, key=lambda each: each.changed_at, reverse=True)
    active = [each for each in newest_first if each.is_active]
    return AccountRow(
        account=row.account_id,
        account_name=next((each.account_name for each in newest_first if each.account_name), None),
        installations=row.installations,
        active=len(active),
        apps=sorted({each.app for each in active}),
        user_id_source=row.user_id_source,
    )
