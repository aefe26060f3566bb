"""Sign-ons that we vouched for, and which of them Keycloak may still hold.

Keeping a sign-on and keeping a `user.logout` of the same person never overlap (both hold `person_names`), so a sign-on is either
refused by the logout or found by the task that follows from it.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from broker.model.names import AccountId, InstallationId, TalkdeskUserId
from broker.model.sign_on import SignOn, SignOnState
from broker.storage.database import Database
from broker.storage.dialects import db_now_ms, hold
from broker.storage.schema import UNTOLD
from broker.storage.schema import sign_on as table
from broker.storage.schema import user_logout as logout
from broker.storage.sign_on_rows import sign_on_of, values_of

_ORDER = tuple(SignOnState)
_IS_SAID_ONCE = or_(table.c.told_status == 501, table.c.told_status == 504)


class SqlSignOns:
    """Port `SignOns`. A person's name is not kept, and the address only in lower case, to find them by it."""

    def __init__(self, database: Database) -> None:
        """Sign-ons in this database."""
        self._database = database

    async def save(self, sign_on: SignOn) -> bool:
        """As the port says."""

        def work(connection: Connection) -> bool:
            person = sign_on.person
            hold(connection, *person_names(person.account, person.user, person.email))
            if connection.scalar(_IS_ENDED, _ends(sign_on)):
                return False
            if sign_on.foreign_session is None or not _is_seen_again(connection, sign_on):
                connection.execute(_INSERT, values_of(sign_on))
            return True

        return await self._database.write(work)

    async def find(self, sign_on_id: str) -> SignOn | None:
        """As the port says."""
        row = await self._database.read(lambda connection: connection.execute(_FIND, {"which": sign_on_id}).first())
        return None if row is None else sign_on_of(row)

    async def advance(self, sign_on_id: str, state: SignOnState) -> SignOn | None:
        """As the port says."""
        change, which = _ADVANCE[state], {"which": sign_on_id}
        row = await self._database.write(lambda connection: connection.execute(change, which).first())
        return None if row is None else sign_on_of(row)

    async def of_person(
        self, account: AccountId, user: TalkdeskUserId, up_to: datetime | None = None
    ) -> Sequence[SignOn]:
        """As the port says."""
        in_time = () if up_to is None else (table.c.begun_at <= up_to,)
        return await self._select(*_is_person(account, user), ~table.c.is_told, *in_time)

    async def of_account(
        self, account: AccountId, up_to: datetime, through: InstallationId, most: int, after: SignOn | None = None
    ) -> Sequence[SignOn]:
        """As the port says."""
        which = [or_(table.c.begun_at <= up_to, table.c.installation_id == through)]
        if after is not None:
            later = and_(table.c.begun_at == after.begun_at, table.c.id > after.id)
            which += [table.c.begun_at >= after.begun_at, or_(table.c.begun_at > after.begun_at, later)]
        query = select(table).where(table.c.account_id == account, ~table.c.is_told, *which)
        query = query.order_by(table.c.begun_at, table.c.id).limit(most)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [sign_on_of(row) for row in rows]

    async def user_of_email(self, account: AccountId, email: str) -> TalkdeskUserId | None:
        """As the port says."""
        query = (
            select(table.c.user_id)
            .where(table.c.account_id == account, table.c.email == email.lower())
            .order_by(table.c.begun_at.desc(), table.c.created_at.desc())
            .limit(1)
        )
        user = await self._database.read(lambda connection: connection.scalar(query))
        return None if user is None else TalkdeskUserId(user)

    async def is_known(self, account: AccountId, user: TalkdeskUserId) -> bool:
        """As the port says."""
        return await self._exists(*_is_person(account, user))

    async def has_newer(self, account: AccountId, user: TalkdeskUserId, begun_after: datetime) -> bool:
        """As the port says."""
        is_alive = table.c.state != SignOnState.ENDED.value
        return await self._exists(*_is_person(account, user), table.c.begun_at > begun_after, is_alive)

    async def end(self, sign_on_ids: Sequence[str], logout: int | None = None) -> None:
        """As the port says."""
        await self._change(sign_on_ids, **_ended_by(logout))

    async def take(self, sign_on_ids: Sequence[str], logout: int | None, within: timedelta) -> Sequence[str]:
        """As the port says."""
        free = or_(table.c.telling_until.is_(None), table.c.telling_until <= db_now_ms())
        lease = db_now_ms() + within // timedelta(milliseconds=1)

        def work(connection: Connection) -> list[str]:
            taken = []
            for sign_on_id in sorted(sign_on_ids):
                row = table.c.id == sign_on_id
                connection.execute(update(table).where(row).values(_ended_by(logout)))
                if connection.execute(update(table).where(row, free).values(telling_until=lease)).rowcount:
                    taken.append(sign_on_id)
            return taken

        return await self._database.write(work)

    async def note_answer(self, sign_on_ids: Sequence[str], status: int | None) -> None:
        """As the port says."""
        if status is None:
            await self._change(sign_on_ids, telling_until=None)
            return
        lasting = case((_IS_SAID_ONCE, table.c.told_status), else_=status)
        await self._change(sign_on_ids, telling_until=None, told_at=db_now_ms(), told_status=lasting)

    async def answers(self, logout: int) -> Collection[int | None]:
        """As the port says."""
        is_left_alone = and_(table.c.foreign_session.is_not(None), table.c.is_told)
        is_answered = or_(table.c.told_status.is_not(None), is_left_alone)
        query = select(table.c.told_status).where(table.c.ended_by == logout, is_answered).distinct()
        return await self._database.read(lambda connection: set(connection.scalars(query)))

    async def mark_told(self, sign_on_ids: Sequence[str]) -> None:
        """As the port says."""
        await self._change(sign_on_ids, is_told=True)

    async def note_session(self, sign_on_id: str, session: str, user: str) -> None:
        """As the port says. Most launches come back to a session that was seen before: then nothing is written."""
        ids = {"which": sign_on_id, "session": session, "user": user}
        if not await self._database.read(lambda connection: connection.scalar(_IS_NOTED, ids)):
            await self._database.write(lambda connection: connection.execute(_NOTE, ids))

    async def end_old(self, created_before: datetime) -> int:
        """As the port says."""
        old = (
            update(table)
            .where(UNTOLD, table.c.created_at < created_before)
            .values(state=SignOnState.ENDED.value, is_told=True, ended_at=func.coalesce(table.c.ended_at, db_now_ms()))
        )
        return await self._database.write(lambda connection: connection.execute(old).rowcount)

    async def _select(self, *which: ColumnElement[bool]) -> Sequence[SignOn]:
        query = select(table).where(*which).order_by(table.c.begun_at, table.c.created_at)
        rows = await self._database.read(lambda connection: connection.execute(query).all())
        return [sign_on_of(row) for row in rows]

    async def _exists(self, *which: ColumnElement[bool]) -> bool:
        query = select(exists().where(*which))
        return bool(await self._database.read(lambda connection: connection.scalar(query)))

    async def _change(self, sign_on_ids: Sequence[str], **values: Any) -> None:
        if not sign_on_ids:
            return
        # One by one: an account's sign-ons may be more than a statement takes parameters.
        change = update(table).where(table.c.id == bindparam("changed")).values(**values)
        # In order: two that end the same sign-ons must not wait for each other.
        rows = [{"changed": sign_on_id} for sign_on_id in sorted(sign_on_ids)]
        await self._database.write(lambda connection: connection.execute(change, rows))


# Built once: to build one costs more than to run it, and every sign-on runs each of these.
_IS = table.c.id == bindparam("which")


def _is_ended() -> Select[Any]:
    """Whether there is a logout of this person at or after the begin: by user id, or by address where the logout's user id fits nobody."""
    by_user = logout.c.user_id == bindparam("user")
    fits_somebody = exists().where(table.c.account_id == logout.c.account_id, table.c.user_id == logout.c.user_id)
    by_email = (logout.c.email == bindparam("address")) & ~fits_somebody
    is_later = logout.c.created_at >= bindparam("since")
    return select(exists().where(logout.c.account_id == bindparam("account"), is_later, or_(by_user, by_email)))


def _advance(state: SignOnState) -> ReturningUpdate[Any]:
    earlier = [former.value for former in _ORDER[: _ORDER.index(state)]]
    return update(table).where(_IS, table.c.state.in_(earlier)).values(state=state.value).returning(table)


_IS_ENDED = _is_ended()
_INSERT = insert(table)
_FIND = select(table).where(_IS)
_SESSION: Any = bindparam("session")
_USER: Any = bindparam("user")
_IS_NOTED = select(exists().where(_IS, table.c.keycloak_session == _SESSION, table.c.keycloak_user == _USER))
_NOTE = update(table).where(_IS).values(keycloak_session=_SESSION, keycloak_user=_USER)
_ADVANCE = {state: _advance(state) for state in SignOnState}


def person_names(account: AccountId, user: TalkdeskUserId, email: str | None) -> Sequence[Sequence[str]]:
    """What a person's sign-ons and logouts hold: the user, and the address, by which a logout finds the person too."""
    by_user = ("user", account, user)
    return (by_user, ("email", account, email.lower())) if email else (by_user,)


def _ended_by(logout: int | None) -> dict[str, Any]:
    """What ending a sign-on changes; who ended it first stays."""
    return {
        "state": SignOnState.ENDED.value,
        "ended_at": func.coalesce(table.c.ended_at, db_now_ms()),
        "ended_by": case((table.c.ended_at.is_(None), logout), else_=table.c.ended_by),
    }


def _is_person(account: AccountId, user: TalkdeskUserId) -> Sequence[ColumnElement[bool]]:
    return table.c.account_id == account, table.c.user_id == user


def _ends(sign_on: SignOn) -> dict[str, Any]:
    person = sign_on.person
    email = (person.email or "").lower()
    return {"account": person.account, "user": person.user, "address": email, "since": sign_on.begun_at}


def _is_seen_again(connection: Connection, sign_on: SignOn) -> bool:
    """Whether the same person is known to be in the same foreign session, in which the begin is now this one's."""
    is_same = (
        table.c.keycloak_session == sign_on.foreign_session,
        table.c.foreign_session.is_not(None),
        table.c.installation_id == sign_on.installation,
        *_is_person(sign_on.person.account, sign_on.person.user),
        table.c.state != SignOnState.ENDED.value,
    )
    again = {
        name: value for name, value in values_of(sign_on).items() if name in ("begun_at", "asked_at", "created_at")
    }
    return connection.execute(update(table).where(*is_same).values(again)).rowcount > 0
