"""The broker as a process of its own, that can be killed, frozen, thawed and started again on the same data.

Owns: the process, its environment, its log. Leaves to others: what is sent to it, and what has to come of it.
Signals go to one process by its id, never to a name. Linux only, for the memory and the time that a process uses.
"""

import asyncio
import json
import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from tests.waiting import eventually

ROOT = Path(__file__).parent.parent
_LOOPBACK = "127.0.0.1"
# Below the range from which the system gives ports away: nobody takes the port of a broker that is down for a moment.
_PORTS = range(20_000, 32_000)


class BrokerProcess:
    """`broker serve`, started as often as wanted; each start has the same address, data and log."""

    def __init__(
        self, environment: Mapping[str, str], log: Path, *, within: Sequence[str] = (), module: str = "broker"
    ) -> None:
        """`environment` has the settings, without where to listen; `within` is a command that becomes the one that follows it."""
        self.port = free_port()
        self.url = f"http://{_LOOPBACK}:{self.port}"
        self.log = log
        self._command = [*within, sys.executable, "-m", module, "serve", "--port", str(self.port)]
        self.environment = {"PATH": os.environ["PATH"], "BROKER_PUBLIC_URL": self.url, **environment}
        """Of the next start."""
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None, "the broker is not running"
        return self._process.pid

    @property
    def resident_bytes(self) -> int:
        """Memory of the running process that lies in RAM."""
        return memory_of(self.pid, "VmRSS") or 0

    @property
    def processor_s(self) -> float:
        """Processor time that the running process has used."""
        return _processor_s(Path(f"/proc/{self.pid}"))

    def spawn(self) -> None:
        """Start it, and do not wait for anything."""
        assert self._process is None, "the broker is running"
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=ROOT,
            )

    async def start(self) -> None:
        """Start it, and wait until it is ready."""
        self.spawn()
        await self.until_ready()

    async def until_ready(self) -> None:
        """Wait until it says that it is ready; fails at once where the process has ended."""
        await self._until("ready")

    async def until_live(self) -> None:
        """Wait until it answers, ready or not: without a worker, or without Keycloak, it never is."""
        await self._until("live")

    async def _until(self, health: str) -> None:
        async with httpx.AsyncClient(trust_env=False, base_url=self.url) as client:
            await eventually(lambda: self._is(health, client), what=f"the broker is {health}", seconds=90)

    async def _is(self, health: str, client: httpx.AsyncClient) -> bool:
        assert self._process is not None, "the broker is not running"
        assert self._process.poll() is None, f"the broker has ended by itself: {self.log.read_text()[-2000:]}"
        try:
            return (await client.get(f"/health/{health}")).status_code == 200
        except httpx.HTTPError:
            return False

    def kill(self) -> None:
        """SIGKILL: it has no chance to do anything more. Harmless where it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """SIGSTOP: it stands still wherever it is; its sockets stay open."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT: it goes on as if no time had passed."""
        os.kill(self.pid, signal.SIGCONT)

    async def stop(self) -> int:
        """SIGTERM, as an operator does; the exit code. Harmless where it does not run."""
        if self._process is None:
            return 0
        self._process.terminate()
        return await self.ended()

    async def ended(self) -> int:
        """Wait until it has ended by itself; its exit code."""
        assert self._process is not None, "the broker is not running"
        code = await asyncio.to_thread(self._process.wait, 60)
        self._process = None
        return code

    def log_lines(self) -> list[dict[str, Any]]:
        """What it logged, oldest first; a line that is no JSON comes as `{"event": line}`."""
        return [_parsed(line) for line in self.log.read_text(errors="replace").splitlines() if line]

    def complaints(self) -> list[dict[str, Any]]:
        """Lines that say that something of ours went wrong: errors, exceptions, and whatever did not come from the log."""
        return [each for each in self.log_lines() if each.get("level") not in ("debug", "info", "warning")]


def processor_s_of(argument: str) -> float:
    """Processor time that the processes with this argument in their commands have used; of whomever they are, and in a container too."""
    found = [folder for folder in Path("/proc").glob("[0-9]*") if argument in _arguments(folder)]
    assert found, f"no process of this machine has {argument} in its command"
    return sum(map(_processor_s, found))


def _arguments(folder: Path) -> list[str]:
    try:
        return (folder / "cmdline").read_text(errors="replace").split("\0")
    except OSError:  # it has ended meanwhile
        return []


def _processor_s(folder: Path) -> float:
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """A port that nobody listens at."""
    for port in random.sample(_PORTS, 100):
        with socket.socket() as taken:
            try:
                taken.bind((_LOOPBACK, port))
            except OSError:
                continue
            return port
    raise RuntimeError("no port is free")


def memory_of(process: int | str, what: str) -> int | None:
    """Bytes of a process, `self` or by its id: `VmRSS` in RAM now, `VmHWM` at most so far. None where it has ended.

    Not by `getrusage`: a child's peak there begins with its parent's memory.
    """
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return None
    return next((int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith(f"{what}:")), None)


def _parsed(line: str) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except ValueError:
        return {"event": line}
    return content if isinstance(content, dict) else {"event": line}
