"""Lines of `broker check` about the database: schema, keys, whether it takes and keeps, clock, what is left undone, sign-outs that came."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from broker.check.clocks import DATABASE_MOST, compare
from broker.check.finding import Finding, ok, warning, wrong
from broker.errors import SchemaError, SealError, StorageError
from broker.model.pkce import random_value
from broker.ports import Clock, OneTimeKind
from broker.storage.database import Database, require_current
from broker.storage.sealed_values import SealedValues
from broker.storage.sealing import Sealer
from broker.storage.sql_inspection import SqlInspection
from broker.storage.sql_one_time import SqlOneTimeValues
from broker.storage.sql_task_lists import SqlBacklog

MANY_SIGN_ONS = 20
"""After so many sign-ons in `LOOKED_BACK` somebody should have signed out of Talkdesk."""
LOOKED_BACK = timedelta(days=14)
LITTLE_ROOM_BYTES = 1024**3
NO_ROOM_BYTES = 64 * 1024**2
STALLED_S = 300

_SUBSCRIBE = "ask Talkdesk for the subscription to the optional event user.logout, for every app (docs/operations.md)"


@dataclass(frozen=True)
class DatabaseLines:
    """Looks at one database."""

    database: Database
    load_sealer: Callable[[], Sealer]
    folder: Path | None
    """Where it lies; None where that is another machine's disk."""
    now: Clock

    async def all(self) -> Sequence[Finding]:
        """Every line; only the first one, where nothing else can be read."""
        first = await self.schema()
        if first.mend:
            return [first, *self._room()]
        keys = await self.keys()
        lines = [first, keys, *self._room()]
        if not keys.mend:
            lines.append(await self.takes_and_keeps())
        return [*lines, await self.clock(), await self.tasks(), await self.suspects(), await self.sign_outs()]

    async def schema(self) -> Finding:
        """It answers, and its schema is this version's."""
        try:
            await require_current(self.database)
        except SchemaError as error:
            return wrong("database", str(error), "docs/operations.md, Database")
        except StorageError as error:
            return wrong("database", str(error), "start it, or mend BROKER_DATABASE_URL")
        return ok("database", "it answers, and its schema is this version's")

    async def keys(self) -> Finding:
        """Every key that seals something is given, and is the right one."""
        try:
            sealer = self.load_sealer()
            problems = await SealedValues(self.database, sealer).problems()
        except SealError as error:
            return wrong("sealing keys", str(error), "docs/operations.md, Sealing keys")
        if problems:
            return wrong(
                "sealing keys", "; ".join(map(str, problems)), "bring the missing key back (docs/operations.md)"
            )
        return ok("sealing keys", f"{len(sealer.keys)} given, {sealer.first!r} seals; every value can be opened")

    async def takes_and_keeps(self) -> Finding:
        """A value that was written is read again."""
        store = SqlOneTimeValues(self.database, self.load_sealer())
        value, now = random_value(), self.now()
        try:
            await store.save(OneTimeKind.ASSERTION, value, {"check": True}, now + timedelta(seconds=10))
            kept = await store.consume(OneTimeKind.ASSERTION, value, now)
        except StorageError as error:
            return wrong("writing", str(error), "make room on its disk, or let the role write (docs/operations.md)")
        if kept != {"check": True}:
            return wrong("writing", "what was written was not there a moment later", "look at the database's log")
        return ok("writing", "a value was kept, read, and used up")

    async def clock(self) -> Finding:
        """Its clock, against ours."""
        theirs = await SqlInspection(self.database).clock()
        return compare("database's clock", "the database's machine", theirs, self.now(), DATABASE_MOST)

    async def tasks(self) -> Finding:
        """Nothing was given up, and nothing has been due for long."""
        counts = await SqlBacklog(self.database).count()
        stuck = sum(each.count for each in counts if each.state in ("failed", "alarming"))
        oldest_s = max((each.oldest_s for each in counts if each.state == "due"), default=0.0)
        if oldest_s > STALLED_S:
            found = f"one has been due for {oldest_s:.0f} s"
            return wrong("tasks", found, "start `broker serve`, or look at its log")
        if stuck:
            found = f"{stuck} need a person"
            return warning("tasks", found, "`broker events list --unanswered`, then `broker events show NUMBER`")
        return ok("tasks", "nothing was given up, nothing is late")

    async def suspects(self) -> Finding:
        """Talkdesk takes the credentials of every installation, as far as the daily check knows."""
        if suspects := await SqlInspection(self.database).suspect():
            found = f"Talkdesk refuses the credentials of {', '.join(suspects)}"
            mend = "`broker installations list --suspect`; docs/operations.md, An installation is suspect"
            return warning("installations", found, mend)
        return ok("installations", "Talkdesk refused the credentials of none")

    async def sign_outs(self) -> Finding:
        """Talkdesk sends `user.logout`, everywhere where people sign on."""
        inspection = SqlInspection(self.database)
        silent = await inspection.never_signed_out(since=self.now() - LOOKED_BACK, least=MANY_SIGN_ONS)
        if silent:
            found = f"many sign-ons and never a user.logout: {', '.join(silent)}"
            return warning("user.logout", found, _SUBSCRIBE)
        last = await inspection.last_event("user.logout")
        if last is None:
            return warning("user.logout", "none has ever come", _SUBSCRIBE)
        return ok("user.logout", f"the last one came at {last:%Y-%m-%d %H:%M} UTC")

    def _room(self) -> Sequence[Finding]:
        return [room(self.folder)] if self.folder else []


def room(folder: Path) -> Finding:
    """There is room on the disk for what comes."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return wrong("room", f"{folder}: {error.strerror}", "mend BROKER_DATA_DIR")
    found = f"{free / 1024**2:.0f} MiB free at {folder}"
    mend = "make room on this disk, or move DATA_DIR to a bigger one"
    if free < NO_ROOM_BYTES:
        return wrong("room", found, mend)
    return warning("room", found, mend) if free < LITTLE_ROOM_BYTES else ok("room", found)
