"""Port of the work that follows from events."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Protocol

from broker.model.task import Claim, LastTry, Task, TaskKind


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

    async def enqueue_all(self, kind: TaskKind, keys: Sequence[str]) -> None:
        """As `enqueue`, each of them, due now."""
        ...

    async def unfinished(self, kind: TaskKind, keys: Collection[str]) -> Mapping[str, LastTry | None]:
        """Of these the keys that are not done, each with what its last try ended with; None where it was not tried since it was asked for."""
        ...

    async def next_due(self) -> timedelta | None:
        """Time until the next task is due (not negative); None where nothing waits."""
        ...
