"""Golden files: what other systems rely on, written down once and compared exactly.

`UPDATE_GOLDEN=1` writes them anew; the difference is then read in the commit.
"""

import json
import os
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent / "golden"


def assert_golden(name: str, value: Any) -> None:
    """Compare a JSON value with its golden file."""
    path = _FOLDER / f"{name}.json"
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")
    assert value == json.loads(path.read_text("utf-8"))
