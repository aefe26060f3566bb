"""Lists for operators of sign-outs, sign-ons, and the logout tokens that apps were told by; each page by the key of the last row before it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, case, func, or_, select

from broker.listing import (
    DeliveryFilter,
    DeliveryRow,
    LogoutFilter,
    LogoutRow,
    Page,
    SignedOn,
    SignOnFilter,
    SignOnRow,
)
from broker.model.delivery import DeliveryState
from broker.model.sign_on import SignOnState
from broker.storage import schema
from broker.storage.database import Database

_logout, _delivery, _sign_on = schema.logout.c, schema.delivery.c, schema.sign_on.c

_STATE_OPEN, _STATE_DELIVERING, _STATE_UNDELIVERED, _STATE_DONE = "open", "delivering", "undelivered", "done"


class SqlLogoutList:
    """Port `LogoutList`."""

    def __init__(self, database: Database) -> None:
        """Sign-outs in this database."""
        self._database = database

    async def page(self, wanted: LogoutFilter, size: int, start: str | None = None) -> Page[LogoutRow]:
        """As the port says."""
        conditions = _equal(
            (_logout.account_id, wanted.account),
            (_logout.user_id, wanted.user),
            (_logout.installation_id, wanted.installation),
            (_STATE, wanted.state),
        )
        if wanted.since is not None:
            conditions.append(_logout.asked_at >= wanted.since)
        if start is not None:
            conditions.append(_logout.number < int(start))
        query = _LOGOUTS.where(*conditions).order_by(_logout.number.desc()).limit(size)
        rows = [_logout_of(row) for row in await self._read(query)]
        return Page(rows, str(rows[-1].number) if len(rows) == size else None)

    async def find(self, number: int) -> LogoutRow | None:
        """As the port says."""
        rows = await self._read(_LOGOUTS.where(_logout.number == number))
        return _logout_of(rows[0]) if rows else None

    async def deliveries(self, wanted: DeliveryFilter, size: int, start: str | None = None) -> Page[DeliveryRow]:
        """As the port says."""
        conditions = _equal(
            (_delivery.relay, wanted.relay), (_delivery.state, wanted.state), (_delivery.logout, wanted.logout)
        )
        if wanted.since is not None:
            conditions.append(_delivery.received_at >= wanted.since)
        if start is not None:
            conditions.append(_delivery.number < int(start))
        query = select(schema.delivery).where(*conditions).order_by(_delivery.number.desc()).limit(size)
        names = DeliveryRow.__dataclass_fields__
        rows = [DeliveryRow(**{name: getattr(row, name) for name in names}) for row in await self._read(query)]
        return Page(rows, str(rows[-1].number) if len(rows) == size else None)

    async def _read(self, query: Select[Any]) -> Sequence[Row[Any]]:
        return await self._database.read(lambda connection: connection.execute(query).all())


class SqlSignOnList:
    """Port `SignOnList`."""

    def __init__(self, database: Database) -> None:
        """Sign-ons in this database."""
        self._database = database

    async def page(self, wanted: SignOnFilter, size: int, start: str | None = None) -> Page[SignOnRow]:
        """As the port says; a page begins after the time and id of the last row before it."""
        conditions = _sign_on_conditions(wanted)
        if start is not None:
            at, _, sign_on = start.partition(" ")
            when = datetime.fromisoformat(at)
            same = and_(_sign_on.created_at == when, _sign_on.id < sign_on)
            conditions.append(or_(_sign_on.created_at < when, same))
        query = select(schema.sign_on).where(*conditions).order_by(_sign_on.created_at.desc(), _sign_on.id.desc())
        found = await self._database.read(lambda connection: connection.execute(query.limit(size)).all())
        rows = [_sign_on_of(row) for row in found]
        return Page(rows, f"{rows[-1].created_at.isoformat()} {rows[-1].sign_on}" if len(rows) == size else None)

    async def people(self, wanted: SignOnFilter) -> Sequence[SignedOn]:
        """As the port says."""
        conditions = _sign_on_conditions(wanted)
        query = (
            select(schema.sign_on, schema.installation.c.app_id)
            .join(schema.installation, schema.installation.c.id == _sign_on.installation_id)
            .where(*conditions, _sign_on.state != SignOnState.ENDED.value)
            .order_by(_sign_on.account_id, _sign_on.user_id, _sign_on.begun_at)
        )
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        latest = {(row.account_id, row.user_id): row for row in rows}  # the last one of each stays
        return [
            SignedOn(row.account_id, row.user_id, row.installation_id, row.app_id, row.begun_at)
            for row in latest.values()
        ]


def _count(state: DeliveryState, *others: DeliveryState) -> ColumnElement[int]:
    states = [each.value for each in (state, *others)]
    counted = select(func.count()).where(_delivery.logout == _logout.number, _delivery.state.in_(states))
    return counted.correlate(schema.logout).scalar_subquery()


_OPEN = _count(DeliveryState.OPEN)
_UNDELIVERED = _count(DeliveryState.REFUSED, DeliveryState.EXPIRED)
_STATE: ColumnElement[str] = case(
    (_logout.told_at.is_(None), _STATE_OPEN),
    (_UNDELIVERED > 0, _STATE_UNDELIVERED),
    (_OPEN > 0, _STATE_DELIVERING),
    else_=_STATE_DONE,
)
_LOGOUTS: Select[Any] = select(
    schema.logout,
    _STATE.label("state"),
    _OPEN.label("open"),
    _count(DeliveryState.CONFIRMED).label("confirmed"),
    _UNDELIVERED.label("undelivered"),
    select(func.count())
    .where(_sign_on.ended_by == _logout.number)
    .correlate(schema.logout)
    .scalar_subquery()
    .label("sign_ons"),
)


def _logout_of(row: Row[Any]) -> LogoutRow:
    named = {"account": row.account_id, "user": row.user_id, "installation": row.installation_id}
    names = LogoutRow.__dataclass_fields__.keys() - named.keys()
    return LogoutRow(**named, **{name: getattr(row, name) for name in names})


def _sign_on_of(row: Row[Any]) -> SignOnRow:
    named = {
        "sign_on": row.id,
        "account": row.account_id,
        "user": row.user_id,
        "installation": row.installation_id,
        "logout": row.ended_by,
    }
    names = SignOnRow.__dataclass_fields__.keys() - named.keys()
    return SignOnRow(**named, **{name: getattr(row, name) for name in names})


def _sign_on_conditions(wanted: SignOnFilter) -> list[ColumnElement[bool]]:
    conditions = _equal(
        (_sign_on.account_id, wanted.account),
        (_sign_on.user_id, wanted.user),
        (_sign_on.installation_id, wanted.installation),
        (_sign_on.ended_by, wanted.logout),
    )
    if wanted.only_live:
        conditions.append(_sign_on.state != SignOnState.ENDED.value)
    return conditions


def _equal(*pairs: tuple[ColumnElement[Any], Any]) -> list[ColumnElement[bool]]:
    return [column == value for column, value in pairs if value is not None]
