"""What is logged, by the service and by commands."""

import json
import subprocess
import sys

import pytest

LOG = "import structlog; structlog.get_logger().info('it went well'); structlog.get_logger().warning('look')"


@pytest.mark.parametrize(
    ("configured", "logged"),
    [
        ("logs.configure_for_commands(); logs.configure(readable=False)", ["it went well", "look"]),
        ("logs.configure(readable=False)", ["it went well", "look"]),
    ],
    ids=["serve, which begins as a command", "at once"],
)
def test_the_service_logs_what_went_well(configured: str, logged: list[str]) -> None:
    """Also where the command line, which is quiet, was there first."""
    script = f"from broker import logs; {configured}; {LOG}"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True, timeout=60)
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == logged
