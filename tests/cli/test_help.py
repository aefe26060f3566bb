"""Help and completion: everything explains itself, and a shell knows every command."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from broker.cli import app
from tests.processes import ROOT

pytestmark = pytest.mark.thorough

HELPLESS = {"help", "install_completion", "show_completion"}
"""Typer's own."""


def commands_below(words: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every group and command."""
    yield words, command
    for name, each in getattr(command, "commands", {}).items():
        yield from commands_below((*words, name), each)


EVERY = dict(commands_below((), typer.main.get_command(app)))


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_every_command_says_what_it_does(words: tuple[str, ...]) -> None:
    """In a sentence, and so does each of its options and arguments."""
    command = EVERY[words]
    assert (command.help or "").strip().partition("\n")[0].endswith("."), "no sentence"
    unexplained = [each.name for each in command.params if not getattr(each, "help", None)]
    assert set(unexplained) <= HELPLESS


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("broker inst", "installations"),
        ("broker installations sus", "suspend"),
        ("broker events list --un", "--unanswered"),
    ],
)
def test_a_shell_completes_what_was_begun(typed: str, offered: str) -> None:
    """As bash asks for it."""
    environment = {
        "PATH": os.environ["PATH"],
        "_BROKER_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split()) - 1),
    }
    done = subprocess.run(
        [sys.executable, "-c", "from broker.cli import app; app(prog_name='broker')"],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert offered in done.stdout.split(), done.stderr
