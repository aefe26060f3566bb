"""A bound on how often something may happen."""

from datetime import datetime, timedelta


class Budget:
    """A number of goes that fills up again with time (a token bucket)."""

    def __init__(self, size: int, refill: timedelta) -> None:
        """Full; `refill` is the time that brings back one go."""
        self._size = size
        self._refill = refill
        self._left = float(size)
        self._counted_at: datetime | None = None

    def take(self, now: datetime) -> bool:
        """Take one; False where none is left. A clock that goes back brings nothing."""
        if self._counted_at is not None and now > self._counted_at:
            self._left = min(self._size, self._left + (now - self._counted_at) / self._refill)
        self._counted_at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
