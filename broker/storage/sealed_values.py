"""All sealed values of a database, whatever they are: which keys seal them, and sealing them anew with the first key.

Each step is a short transaction of its own, so the service goes on meanwhile, and whoever is interrupted goes on where it ended: what
is left to do is what the database says is sealed with another key. Leaves to others: what the values mean (the stores).
"""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Column, Connection, Row, Select, Table, bindparam, exists, func, select, update

from broker.errors import SealError
from broker.storage import schema
from broker.storage.database import Database
from broker.storage.sealing import Sealer, place_of

BATCH = 100
"""So many values are sealed anew in one transaction: a few milliseconds, for which writers of the service may wait."""


@dataclass(frozen=True)
class SealedColumn:
    """One column, and the columns that name the place of its values in what they are sealed with."""

    table: Table
    name: str
    place: tuple[str, ...]
    what: str
    """What the values are, in a word for operators."""

    @property
    def value(self) -> Column[Any]:
        """The sealed values."""
        return self.table.c[self.name]

    @property
    def key(self) -> Column[Any]:
        """Ids of the keys that seal them; the database takes them from the values."""
        return self.table.c[f"{self.name}_key"]

    def place_of(self, row: Row[Any]) -> str:
        """Name of the place of this row's value."""
        return place_of(self.table.name, self.name, *(row._mapping[column] for column in self.place))


SEALED = (
    SealedColumn(schema.event, "body", ("event_id", "app_id", "type", "installation_id"), "bodies of events"),
    SealedColumn(schema.fact, "credentials", ("event", "position"), "credentials"),
    SealedColumn(schema.one_time, "content", ("kind", "digest"), "one-time values"),
    SealedColumn(schema.issuer_key, "jwk", ("kid",), "issuer keys"),
)


@dataclass(frozen=True)
class KeyUse:
    """How many values of a column a key seals."""

    key: str
    what: str
    values: int


async def is_anything_sealed(database: Database) -> bool:
    """Whether there is any value that a key is needed for."""
    query = select(*(exists().where(column.value.is_not(None)) for column in SEALED))
    return any(await database.read(lambda connection: connection.execute(query).one()))


class SealedValues:
    """The sealed values of this database."""

    def __init__(self, database: Database, sealer: Sealer) -> None:
        """The sealer has the first key, and those that open the rest."""
        self._database = database
        self._sealer = sealer

    async def require_keys(self) -> None:
        """See that every key in use is given. Raises SealError. Takes as many steps as there are keys, not values."""
        for problem in await self.problems():
            raise problem

    async def problems(self) -> Sequence[SealError]:
        """A line for each key that is in use and missing, or another one of the same id; looks at one value of each."""
        found: dict[str, SealError] = {}
        for column in SEALED:
            for key, row in await self._database.read(partial(_one_of_each_key, column)):
                try:
                    self._sealer.key_of(row.sealed, place=column.place_of(row))
                except SealError as error:
                    found.setdefault(key, error)
        return list(found.values())

    async def uses(self) -> Sequence[KeyUse]:
        """What each key seals; reads the whole index."""
        return [use for column in SEALED for use in await self._database.read(partial(_uses, column))]

    async def rotate(self) -> AsyncGenerator[int, None]:
        """Seal anew what another key than the first one seals; tells after each step how many values it was. Raises SealError.

        Whoever still seals with an old key meanwhile is followed until nothing is left.
        """
        while found := await self._database.read(self._next):
            column, rows = found
            anew = [(row, self._sealed_anew(column, row)) for row in rows]
            yield await self._database.write(partial(_replace, column, anew))

    def _next(self, connection: Connection) -> tuple[SealedColumn, Sequence[Row[Any]]] | None:
        """Some values of another key; None where, at one instant, there are none anywhere."""
        for column in SEALED:
            for key in _keys(column, connection):
                if key != self._sealer.first:
                    return column, connection.execute(_values(column, key).limit(BATCH)).all()
        return None

    def _sealed_anew(self, column: SealedColumn, row: Row[Any]) -> bytes:
        place = column.place_of(row)
        return self._sealer.seal(self._sealer.open(row.sealed, place=place), place=place)


def _replace(column: SealedColumn, anew: Sequence[tuple[Row[Any], bytes]], connection: Connection) -> int:
    is_it = [column.table.c[name] == bindparam(f"its_{name}") for name in column.place]
    # What was erased, or sealed anew, meanwhile stays as it is: nothing that is gone comes back.
    change = (
        update(column.table)
        .where(*is_it, column.value == bindparam("as_read"))
        .values({column.name: bindparam("anew")})
    )
    rows = [
        {"as_read": row.sealed, "anew": value, **{f"its_{name}": row._mapping[name] for name in column.place}}
        for row, value in anew
    ]
    return connection.execute(change, rows, execution_options={"preserve_rowcount": True}).rowcount


def _keys(column: SealedColumn, connection: Connection) -> Sequence[str]:
    """Ids of the keys in use; from one to the next by the index."""
    found: list[str] = []
    while key := connection.scalar(select(func.min(column.key)).where(column.key > (found[-1] if found else ""))):
        found.append(key)
    return found


def _one_of_each_key(column: SealedColumn, connection: Connection) -> Sequence[tuple[str, Row[Any]]]:
    keys = _keys(column, connection)
    return [(key, connection.execute(_values(column, key).limit(1)).one()) for key in keys]


def _values(column: SealedColumn, key: str) -> Select[Any]:
    query = select(column.value.label("sealed"), *(column.table.c[name] for name in column.place))
    return query.where(column.key == key)


def _uses(column: SealedColumn, connection: Connection) -> Sequence[KeyUse]:
    counted = select(column.key, func.count()).where(column.key.is_not(None)).group_by(column.key).order_by(column.key)
    return [KeyUse(key, column.what, count) for key, count in connection.execute(counted)]
