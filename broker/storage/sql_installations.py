"""Installations, folded from their facts at each reading: there is no second copy of their state that could disagree.

An installation has a handful of facts, so folding costs less than keeping a result up to date would.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, func, literal, or_, select, update

from broker.model.credentials import Credentials
from broker.model.facts import Installed, Rotated
from broker.model.installation import Installation, OperatorWord, fold
from broker.model.licences import LicenceWord, is_removed
from broker.model.names import AccountId, AppId, InstallationId, Slug, TalkdeskUserId, is_slug
from broker.model.task import Task, TaskKind
from broker.storage import schema
from broker.storage.database import Database
from broker.storage.fact_rows import INSTALLED, ROTATED, fact_of
from broker.storage.sealing import Sealer
from broker.storage.sql_tasks import enqueue

_fact, _installation, _event = schema.fact.c, schema.installation.c, schema.event.c
_holds_credentials = _fact.kind.in_((INSTALLED, ROTATED))


class SqlInstallations:
    """Port `Installations`."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        """The sealer opens credentials."""
        self._database = database
        self._sealer = sealer

    async def find(self, installation: InstallationId) -> Installation | None:
        """As the port says."""
        return await self._find(_BY_ID, installation)

    async def find_by_slug(self, slug: Slug) -> Installation | None:
        """As the port says. The database is not asked what it would refuse to be asked: PostgreSQL takes no NUL in a text."""
        return await self._find(_BY_SLUG, slug) if is_slug(slug) else None

    async def active_apps(self, account: AccountId) -> Sequence[AppId]:
        """As the port says. Which app is active does not depend on credentials, so none is opened for it."""
        rows = await self._database.read(lambda connection: connection.execute(_OF_ACCOUNT, {"which": account}).all())
        by_installation = groupby(rows, key=lambda row: row.installation_id)
        known = (fold_rows(list(group), None) for _, group in by_installation)
        return sorted({installation.app for installation in known if installation and installation.is_active})

    async def erase_credentials(self, installation: InstallationId, up_to: datetime) -> None:
        """As the port says; bodies of all its events up to then go, since those that state no fact may hold credentials too."""
        of_sets = (
            update(schema.fact)
            .where(_fact.installation_id == installation, _holds_credentials, _fact.created_at <= up_to)
            .values(credentials=None)
        )
        of_events = (
            update(schema.event)
            .where(_event.installation_id == installation, or_(_event.created_at <= up_to, _event.created_at.is_(None)))
            .values(body=None)
        )

        def work(connection: Connection) -> None:
            connection.execute(of_sets)
            connection.execute(of_events)

        await self._database.write(work)

    async def mark_proven(self, installation: InstallationId, credentials: Credentials, at: datetime) -> None:
        """As the port says."""

        def work(connection: Connection) -> None:
            for row, fact in self._sets(connection, installation):
                if fact.credentials == credentials and row.proven_at is None:
                    connection.execute(update(schema.fact).where(*_is_row(row)).values(proven_at=at))

        await self._database.write(work)

    async def retire_credentials(self, installation: InstallationId, retired: Collection[Credentials]) -> None:
        """As the port says."""

        def work(connection: Connection) -> None:
            for row, fact in self._sets(connection, installation):
                if fact.credentials in retired:
                    connection.execute(update(schema.fact).where(*_is_row(row)).values(credentials=None))
                    connection.execute(update(schema.event).where(_event.number == row.event).values(body=None))

        await self._database.write(work)

    async def is_removed(self, installation: Installation, user: TalkdeskUserId) -> bool:
        """As the port says."""
        words = await self._database.read(lambda connection: words_about(connection, installation.id, user))
        return is_removed(words, installation.began_after)

    async def suspend(self, installation: InstallationId, at: datetime) -> bool:
        """As the port says."""
        return await self._say(installation, suspended_at=_first(_installation.suspended_at, at), resumed_at=None)

    async def resume(self, installation: InstallationId, at: datetime) -> bool:
        """As the port says."""
        return await self._say(installation, suspended_at=None, resumed_at=at)

    async def mark_suspect(self, installation: InstallationId, since: datetime) -> None:
        """As the port says."""
        await self._mark(installation, suspect_since=_first(_installation.suspect_since, since))

    async def clear_suspect(self, installation: InstallationId) -> None:
        """As the port says."""
        await self._mark(installation, suspect_since=None)

    async def _say(self, installation: InstallationId, **word: Any) -> bool:
        change = update(schema.installation).where(_installation.id == installation).values(**word)

        def work(connection: Connection) -> bool:
            if not connection.execute(change).rowcount:
                return False
            enqueue(connection, Task(TaskKind.CONVERGE, installation))
            return True

        return await self._database.write(work)

    async def _mark(self, installation: InstallationId, **values: Any) -> None:
        change = update(schema.installation).where(_installation.id == installation).values(**values)
        await self._database.write(lambda connection: connection.execute(change))

    async def _find(self, facts: Select[Any], which: str) -> Installation | None:
        rows = await self._database.read(lambda connection: connection.execute(facts, {"which": which}).all())
        return fold_rows(rows, self._sealer)

    def _sets(
        self, connection: Connection, installation: InstallationId
    ) -> Iterable[tuple[Row[Any], Installed | Rotated]]:
        """Rows of credentials that are not erased."""
        which = (_installation.id == installation) & _holds_credentials & _fact.credentials.is_not(None)
        for row in connection.execute(_facts(which)).all():
            fact = fact_of(row, self._sealer)
            assert isinstance(fact, Installed | Rotated)
            yield row, fact


def folded(connection: Connection, which: ColumnElement[bool], sealer: Sealer | None = None) -> Installation | None:
    """The installation, as part of a transaction; without credentials where there is no sealer to open them."""
    return fold_rows(connection.execute(_facts(which)).all(), sealer)


def words_about(connection: Connection, installation: InstallationId, user: TalkdeskUserId) -> Sequence[LicenceWord]:
    """What was said about the person's licence, as part of a transaction."""
    rows = connection.execute(_WORDS, {"which": installation, "whose": user})
    return [LicenceWord(row.is_removed, row.created_at) for row in rows]


def fold_rows(rows: Sequence[Row[Any]], sealer: Sealer | None) -> Installation | None:
    """One installation, from the rows of its facts, each with the columns of its `installation`."""
    state = fold((fact_of(row, sealer) for row in rows), _word_of(rows[0]) if rows else None)
    return replace(state, suspect_since=rows[0].suspect_since) if state else None


def _word_of(row: Row[Any]) -> OperatorWord | None:
    if row.suspended_at is not None:
        return OperatorWord(suspends=True, at=row.suspended_at)
    return OperatorWord(suspends=False, at=row.resumed_at) if row.resumed_at is not None else None


def _first(column: ColumnElement[Any], time: datetime) -> ColumnElement[Any]:
    """The time that is there, else this one."""
    return func.coalesce(column, literal(time, schema.Instant()))


def _is_row(row: Row[Any]) -> Sequence[ColumnElement[bool]]:
    return _fact.event == row.event, _fact.position == row.position


def _facts(which: ColumnElement[bool]) -> Select[Any]:
    of_installation = [column for column in _installation if column.name not in ("id", "slug")]
    # A rotated set that was erased says nothing any more: who rotates every day has not more to fold every day.
    says_something = (_fact.kind != ROTATED) | _fact.credentials.is_not(None)
    return select(schema.fact, *of_installation).join(schema.installation).where(which, says_something)


# Built once: to build one costs more than to run it, and a sign-on finds its installation five times.
_BY_ID = _facts(_installation.id == bindparam("which"))
_BY_SLUG = _facts(_installation.slug == bindparam("which"))
_OF_ACCOUNT = _facts(_installation.account_id == bindparam("which")).order_by(_fact.installation_id)
_WORDS = select(schema.licence).where(
    schema.licence.c.installation_id == bindparam("which"), schema.licence.c.user_id == bindparam("whose")
)
