"""`python -m tests.clock_off …`: `broker …` on a machine whose clock is `TEST_CLOCK_AHEAD_S` seconds ahead.

Python's own clock can't be set, so the two places are shifted where the program reads it.
"""

import os
from datetime import datetime, timedelta, tzinfo

from broker.app import service
from broker.cli import main, opening

AHEAD = timedelta(seconds=float(os.environ.pop("TEST_CLOCK_AHEAD_S", "0")))


class _Ahead(datetime):
    @classmethod
    def now(cls, tz: tzinfo | None = None) -> "_Ahead":
        shifted = datetime.now(tz) + AHEAD
        return cls.combine(shifted.date(), shifted.timetz())


for reader in (service, opening):
    reader.datetime = _Ahead  # type: ignore[attr-defined]

if __name__ == "__main__":
    main()
