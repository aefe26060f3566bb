"""A child process that ends with us, however we end: returned, interrupted, terminated or killed.

Owns: starting a command, waiting until its server answers, and ending it with all that it started. Between us and the
command stands a small watcher (this file, run as a program) that reads a pipe from us: when we close it, or die and the
kernel closes it, the watcher ends the command's whole process group. A signal alone would not do: KILL can't be caught,
and Keycloak's start script passes on TERM only.
Leaves to others: which command. Uses the standard library only, since it runs before anything is installed.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from http.client import HTTPException
from pathlib import Path

_GRACE_SECONDS = 20.0


class ServerFailed(Exception):
    """A server ended by itself or did not answer in time; the text holds the end of its log."""


class ChildProcess:
    """A running command; `stop` ends it."""

    def __init__(
        self, command: Sequence[str], *, environment: Mapping[str, str], log: Path, last: Sequence[str] = ()
    ) -> None:
        """Start `command` with its output in `log`; the command `last` clears up after us, if it had to be told to end."""
        self.log = log
        with log.open("ab") as output:
            self._watcher = subprocess.Popen(
                [sys.executable, __file__, json.dumps({"command": list(command), "last": list(last)})],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                env=dict(environment),
                start_new_session=True,  # Ctrl-C in a terminal is for us; we end the child in our own order
            )

    def wait(self) -> int:
        """Wait until the command has ended by itself."""
        return self._watcher.wait()

    def stop(self) -> None:
        """End the command and everything it started; harmless when it has ended."""
        if self._watcher.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._watcher.stdin.close()
        self._watcher.wait()

    def end(self) -> None:
        """End the command as `stop` does, and clear up nothing: what it left is wanted again."""
        self._watcher.terminate()
        self._watcher.wait()
        self.stop()

    def wait_until_answers(self, url: str, *, seconds: float) -> None:
        """Wait until a GET of `url` is answered with 200."""
        end = time.monotonic() + seconds
        while not _answers(url):
            if self._watcher.poll() is not None:
                raise ServerFailed(f"the server ended by itself; the end of its log:\n{self._end_of_log()}")
            if time.monotonic() > end:
                raise ServerFailed(f"no answer within {seconds:.0f} s; the end of its log:\n{self._end_of_log()}")
            time.sleep(0.05)

    def _end_of_log(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])


def _answers(url: str) -> bool:
    # Without proxies: the address is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, HTTPException, OSError):
        return False


def _watch(command: Sequence[str], last: Sequence[str]) -> int:
    """Run `command` until it ends or our standard input does."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
    signal.signal(signal.SIGTERM, lambda *_: _end(child))
    over = threading.Event()

    def read_to_the_end() -> None:
        while os.read(0, 1024):  # not sys.stdin: its lock would stand in the way of our own end
            pass
        over.set()
        _end(child)

    threading.Thread(target=read_to_the_end, daemon=True).start()
    status = child.wait()
    _signal_group(child, signal.SIGKILL)
    if last and over.is_set():
        subprocess.run(last, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return 0 if over.is_set() else status


def _end(child: "subprocess.Popen[bytes]") -> None:
    _signal_group(child, signal.SIGTERM)
    killer = threading.Timer(_GRACE_SECONDS, _signal_group, (child, signal.SIGKILL))
    killer.daemon = True
    killer.start()


def _signal_group(child: "subprocess.Popen[bytes]", number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)


if __name__ == "__main__":
    work = json.loads(sys.argv[1])
    sys.exit(_watch(work["command"], work["last"]))
