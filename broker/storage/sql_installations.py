"""Installations, folded from their facts at each reading: there is no second copy of their state that could disagree.

An installation has a handful of facts, so folding costs less than keeping a result up to date would.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, or_, select, update

from broker.model.facts import LoggedOut
from broker.model.installation import Installation, fold
from broker.model.names import AccountId, AppId, InstallationId, Slug
from broker.storage import schema
from broker.storage.database import Database
from broker.storage.fact_rows import INSTALLED, fact_of, logout_of
from broker.storage.sealing import Sealer

_fact, _installation, _event = schema.fact.c, schema.installation.c, schema.event.c


class SqlInstallations:
    """Port `Installations`."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        """The sealer opens credentials."""
        self._database = database
        self._sealer = sealer

    async def find(self, installation: InstallationId) -> Installation | None:
        """As the port says."""
        return await self._find(_installation.id == installation)

    async def find_by_slug(self, slug: Slug) -> Installation | None:
        """As the port says."""
        return await self._find(_installation.slug == slug)

    async def active_apps(self, account: AccountId) -> Sequence[AppId]:
        """As the port says. Which app is active does not depend on credentials, so none is opened for it."""
        query = _facts(_installation.account_id == account).order_by(_fact.installation_id)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        by_installation = groupby(rows, key=lambda row: row.installation_id)
        folded = (fold(fact_of(row, None) for row in group) for _, group in by_installation)
        return sorted({installation.app for installation in folded if installation and installation.is_active})

    async def erase_credentials(self, installation: InstallationId, up_to: datetime) -> None:
        """As the port says; bodies of all its events up to then go, since those that state no fact may hold credentials too."""
        of_installs = (
            update(schema.fact)
            .where(_fact.installation_id == installation, _fact.kind == INSTALLED, _fact.created_at <= up_to)
            .values(credentials=None)
        )
        of_events = (
            update(schema.event)
            .where(_event.installation_id == installation, or_(_event.created_at <= up_to, _event.created_at.is_(None)))
            .values(body=None)
        )

        def work(connection: Connection) -> None:
            connection.execute(of_installs)
            connection.execute(of_events)

        await self._database.write(work)

    async def _find(self, which: ColumnElement[bool]) -> Installation | None:
        rows = await self._database.read(lambda connection: connection.execute(_facts(which)).all())
        return fold(fact_of(row, self._sealer) for row in rows)


class SqlLogouts:
    """Port `Logouts`."""

    def __init__(self, database: Database) -> None:
        """Logouts in this database."""
        self._database = database

    async def get(self, number: int) -> LoggedOut:
        """As the port says."""
        query = select(schema.user_logout).where(schema.user_logout.c.number == number)
        row = await self._database.read(lambda connection: connection.execute(query).first())
        if row is None:
            raise KeyError(number)
        return logout_of(row)


def _facts(which: ColumnElement[bool]) -> Select[Any]:
    return select(schema.fact, _installation.app_id, _installation.account_id).join(schema.installation).where(which)
