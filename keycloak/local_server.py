"""A local Keycloak with our realm and theme, for the demo, for tests and to look at.

    python keycloak/local_server.py --port 8080 --broker-url http://127.0.0.1:8000

prints its progress to stderr and `ready http://127.0.0.1:8080` to stdout, and runs until Ctrl-C or TERM. Other programs
put this folder on `sys.path` (it is no package: the name `keycloak` belongs to python-keycloak) and use it so:

    with LocalServer(broker_url="http://127.0.0.1:8000") as keycloak:
        keycloak.url, keycloak.admin_username, keycloak.admin_password

Owns: one run of a server, by Docker where an engine answers, else from the prepared files. What it starts ends with the
process that started it, also when that is killed. Leaves to others: those files (`prepared_server`).
Uses the standard library only. For development: it listens on this machine only, with a database that is thrown away.
"""

import argparse
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

import docker_engine
from child_process import ChildProcess, ServerFailed
from distribution import Missing
from postgresql import BUILD, Postgresql, command_of
from prepared_server import ADMIN_USERNAME, BUILT_FOR, free_port, prepared_server, server_environment

__all__ = ["REALM", "LocalServer", "Missing", "Postgresql", "ServerFailed"]

REALM = "talkdesk"
_REPOSITORY = Path(__file__).resolve().parent.parent
_REALM_FILE = _REPOSITORY / "realm-config" / "talkdesk-realm.json"
_THEME = _REPOSITORY / "keycloak" / "themes" / "talkdesk"

Engine = Literal["auto", "docker", "local"]


def say(text: str) -> None:
    """Progress, for people."""
    print(text, file=sys.stderr, flush=True)


@dataclass
class LocalServer:
    """A Keycloak server; from `start` (or `with`) to `stop`."""

    broker_url: str = "http://127.0.0.1:8000"
    """`BROKER_PUBLIC_URL` in the realm."""
    broker_secret: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    """Secret of the client `talkdesk-broker`."""
    launch_secret: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    """Secret of the client `talkdesk-launch`."""
    port: int = 0
    """0: any free one."""
    hostname: str | None = None
    """The URL that browsers see, where that isn't `url`: behind a proxy."""
    proxy_headers: Literal["xforwarded", "forwarded"] | None = None
    """Which headers of that proxy are believed."""
    truststore: Path | None = None
    """A PEM file of authorities that Keycloak trusts when it calls the broker and apps."""
    options: Sequence[str] = ()
    """Further options of Keycloak for this run; none that it has to be built for."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Further variables."""
    postgresql: Postgresql | None = None
    """Its database, in place of one that goes with it: an empty one, in which Keycloak makes its schema (half a minute)."""
    data_dir: Path | None = None
    """Where this run's log stays; default: in a folder that goes with it."""
    engine: Engine = "auto"
    progress: Callable[[str], None] = say

    admin_username: str = field(default=ADMIN_USERNAME, init=False)
    admin_password: str = field(default="", init=False, repr=False)
    _folder: Path | None = field(default=None, init=False, repr=False)
    _child: ChildProcess | None = field(default=None, init=False, repr=False)
    _is_paused: bool = field(default=False, init=False, repr=False)
    _is_in_docker: bool = field(default=False, init=False, repr=False)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """What it wrote; there while it runs, and later with a `data_dir`."""
        return self._run_folder() / "keycloak.log"

    def start(self) -> None:
        """Start, and return when the realm answers."""
        if self._child is not None:
            raise RuntimeError("it runs already")
        self.port = self.port or free_port()
        _check_port(self.port)
        try:
            self._is_in_docker = self._by_docker()
            self._child = self._start_docker() if self._is_in_docker else self._start_prepared()
            self.progress("starting Keycloak")
            seconds = 600 if self.postgresql else 180
            self._child.wait_until_answers(
                f"{self.url}/realms/{REALM}/.well-known/openid-configuration", seconds=seconds
            )
            if self.postgresql and not self._is_in_docker:
                prepared_server(self.progress).keep_build(self._run_folder() / "home", BUILD)
        except BaseException:
            self.stop()
            raise

    def pause(self) -> None:
        """End the server and keep its data: `start` goes on with them, at the same address. Not by Docker, where they go with the container."""
        if self._child is None or self._is_in_docker:
            raise RuntimeError("only a running server of the prepared files can be paused")
        self._child.end()
        self._child = None
        self._is_paused = True

    def wait(self) -> int:
        """Wait until it has ended by itself."""
        return self._child.wait() if self._child else 0

    def stop(self) -> None:
        """End it; its data go too, but a `data_dir`'s log."""
        if self._child is not None:
            self._child.stop()
            self._child = None
        if self._folder is not None and self.data_dir is None:
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = None

    def _run_folder(self) -> Path:
        if self._folder is None:
            self._folder = self.data_dir or Path(tempfile.mkdtemp(prefix="keycloak-"))
            self._folder.mkdir(parents=True, exist_ok=True)
        return self._folder

    def _by_docker(self) -> bool:
        if self.engine == "local":
            return False
        answers = docker_engine.answers() and docker_engine.has_image(self.progress)
        if not answers and self.engine == "docker":
            raise Missing(
                f"Docker can't run {docker_engine.IMAGE}: is its engine running, and can it fetch images? Try `docker pull {docker_engine.IMAGE}`."
            )
        return answers

    def _start_prepared(self) -> ChildProcess:
        prepared = prepared_server(self.progress)
        self.admin_password = prepared.admin_password
        home = self._run_folder() / "home"
        if not self._is_paused:
            shutil.rmtree(home, ignore_errors=True)
            if self.postgresql:
                prepared.new_home_to_build(home, BUILD)
            else:
                prepared.new_home(home)
            shutil.copy(_REALM_FILE, home / "data" / "import")
            (home / "themes" / "talkdesk").symlink_to(_THEME)
        self._is_paused = False
        command = command_of(home) if self.postgresql else prepared.command(home)
        return ChildProcess(
            [*command, "--http-host=127.0.0.1", f"--http-port={self.port}", *self._options()],
            environment=prepared.environment() | self._values(),
            log=self.log,
            last=["rm", "-rf", str(self._run_folder() if self.data_dir is None else home)],
        )

    def _start_docker(self) -> ChildProcess:
        # On the host's network, since Keycloak has to reach broker and apps on this machine's loopback interface.
        self.admin_password = secrets.token_urlsafe(24)
        name = f"talkdesk-keycloak-{os.getpid()}-{self.port}"
        values = {
            "KC_BOOTSTRAP_ADMIN_USERNAME": self.admin_username,
            "KC_BOOTSTRAP_ADMIN_PASSWORD": self.admin_password,
        } | self._values()
        mounts = {_REALM_FILE: f"/opt/keycloak/data/import/{_REALM_FILE.name}", _THEME: "/opt/keycloak/themes/talkdesk"}
        if self.truststore:
            mounts[self.truststore.resolve()] = str(self.truststore.resolve())
        command = ["docker", "run", "--rm", "--init", "--name", name, "--network", "host"]
        command += [f"--env={variable}" for variable in values]  # names only: values would show in the process list
        command += [f"--volume={source}:{target}:ro" for source, target in mounts.items()]
        command += [
            docker_engine.IMAGE,
            "start-dev",
            *BUILT_FOR,
            "--http-host=127.0.0.1",
            f"--http-port={self.port}",
            *self._options(),
        ]
        return ChildProcess(
            command, environment=server_environment() | values, log=self.log, last=["docker", "rm", "--force", name]
        )

    def _options(self) -> list[str]:
        options = ["--import-realm"]
        if self.hostname:
            options.append(f"--hostname={self.hostname}")
        if self.proxy_headers:
            options.append(f"--proxy-headers={self.proxy_headers}")
        if self.truststore:
            options.append(f"--truststore-paths={self.truststore.resolve()}")
        return [*options, *self.options]

    def _values(self) -> dict[str, str]:
        database = self.postgresql.environment(self.admin_password) if self.postgresql else {}
        return database | self._realm_values() | dict(self.environment)

    def _realm_values(self) -> dict[str, str]:
        return {
            "BROKER_PUBLIC_URL": self.broker_url,
            "BROKER_KEYCLOAK_CLIENT_SECRET": self.broker_secret,
            "BROKER_KEYCLOAK_LAUNCH_CLIENT_SECRET": self.launch_secret,
        }


def _check_port(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise Missing(
                f"port {port} can't be used ({error.strerror}): give another one with --port, or 0 for any."
            ) from None


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: run a server until it is told to end."""
    options = _parser().parse_args(arguments)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: _interrupt(stopped))
    try:
        if options.prepare_only:
            prepared_server(say)
            return 0
        with LocalServer(
            port=options.port,
            hostname=options.hostname,
            proxy_headers=options.proxy_headers,
            broker_url=options.broker_url,
            broker_secret=os.environ.get("BROKER_KEYCLOAK_CLIENT_SECRET") or secrets.token_urlsafe(24),
            launch_secret=os.environ.get("BROKER_KEYCLOAK_LAUNCH_CLIENT_SECRET") or secrets.token_urlsafe(24),
            data_dir=options.data_dir,
            engine=options.engine,
        ) as server:
            say(f"administrator: {server.admin_username} {server.admin_password}")
            print(f"ready {server.url}", flush=True)
            return server.wait()
    except (Missing, ServerFailed) as error:
        say(f"Keycloak: {error}")
        return 1
    except KeyboardInterrupt:
        return 0


def _interrupt(stopped: threading.Event) -> None:
    if not stopped.is_set():  # a second signal must not break the ending
        stopped.set()
        raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Runs a local Keycloak with the realm `talkdesk`.")
    parser.add_argument("--port", type=int, default=0, help="0 (default): any free one")
    parser.add_argument("--hostname", help="URL that browsers see, behind a proxy")
    parser.add_argument("--proxy-headers", choices=["xforwarded", "forwarded"], help="headers of that proxy to believe")
    parser.add_argument("--broker-url", default=os.environ.get("BROKER_PUBLIC_URL", "http://127.0.0.1:8000"))
    parser.add_argument("--data-dir", type=Path, help="keeps the log here; default: thrown away")
    parser.add_argument("--engine", choices=["auto", "docker", "local"], default="auto")
    parser.add_argument(
        "--prepare-only", action="store_true", help="only fetch and prepare what starts need, without Docker"
    )
    parser.epilog = "Secrets of the realm's clients: BROKER_KEYCLOAK_CLIENT_SECRET, BROKER_KEYCLOAK_LAUNCH_CLIENT_SECRET (else random)."
    return parser


if __name__ == "__main__":
    sys.exit(main())
