"""Words that every port uses."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

Clock = Callable[[], datetime]
"""Now, as an aware time in UTC."""


Json = dict[str, Any]
