"""The PostgreSQL of the tests.

In this order: a server that the environment names (`TEST_POSTGRESQL_URL`, of a role that may make databases), Docker, the local
binaries (Debian's package `postgresql`). None of them: the tests fail. One server for a run (for each process of a parallel one), and a
new database for each test. What is kept on it is worth nothing, so it is told not to wait for the disk.
"""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import URL, make_url

KEYCLOAK_FOLDER = Path(__file__).parent.parent / "keycloak"
IMAGE = "postgres:17-alpine"
_ALWAYS = ("max_connections=300",)
# Not waiting for the disk is for the tests' speed; none of them takes power away from the server.
_FAST = (*_ALWAYS, "fsync=off", "synchronous_commit=off", "full_page_writes=off")
_LOOPBACK = "127.0.0.1"


@dataclass
class PostgresqlServer:
    """A server that answers."""

    url: URL
    stop_it: Callable[[], None] | None = None
    start_it: Callable[[], None] | None = None

    def make_database(self, template: str = "template0") -> URL:
        """A new database, copied from this one."""
        name = f"test_{secrets.token_hex(8)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url.set(database=name)

    def drop_database(self, url: URL) -> None:
        """Whoever is still connected is cut off."""
        self.run(f"DROP DATABASE IF EXISTS {url.database} WITH (FORCE)")

    def restart(self) -> None:
        """Cut everybody off; a server of ours stops and starts again for that."""
        if self.stop_it and self.start_it:
            self.stop_it()
            self.start_it()
        else:
            self.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'test\\_%'")

    @contextmanager
    def away(self, url: URL) -> Iterator[None]:
        """Nobody can use this database meanwhile: a server of ours is stopped; one that is given lets nobody in."""
        if self.stop_it and self.start_it:
            self.stop_it()
            yield
            self.start_it()
        else:
            self.run(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS false")
            self.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{url.database}'")
            yield
            self.run(f"ALTER DATABASE {url.database} ALLOW_CONNECTIONS true")

    def run(self, statement: str) -> None:
        """Run a statement in the server's own database."""
        with psycopg.connect(plain(self.url), autocommit=True) as connection:
            connection.execute(statement.encode())


def program(name: str) -> str:
    """One of PostgreSQL's own, such as `pg_dump`."""
    beside_the_server = _binaries()
    return str(beside_the_server / name) if beside_the_server else name


def plain(url: URL) -> str:
    """The URL for psycopg itself, without the name of SQLAlchemy's driver."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


@contextmanager
def running_postgresql(*, is_durable: bool = False) -> Iterator[PostgresqlServer]:
    """The first server that is to be had. `is_durable`: one of ours waits for the disk at each commit, as a real one does."""
    options = _ALWAYS if is_durable else _FAST
    if given := os.environ.get("TEST_POSTGRESQL_URL"):
        yield PostgresqlServer(make_url(given).set(drivername="postgresql+psycopg"))
    elif _docker_answers():
        with _in_docker(options) as server:
            yield server
    elif binaries := _binaries():
        with _on_this_machine(binaries, options) as server:
            yield server
    else:
        raise RuntimeError(
            "No PostgreSQL for the tests: set TEST_POSTGRESQL_URL, start Docker, or install Debian's package postgresql"
        )


def _docker_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], check=False, capture_output=True, timeout=30).returncode == 0


@contextmanager
def _in_docker(settings: Sequence[str]) -> Iterator[PostgresqlServer]:
    from testcontainers.postgres import PostgresContainer

    port = _free_port()
    options = [part for each in settings for part in ("-c", each)]
    container = PostgresContainer(IMAGE, driver="psycopg").with_command(options).with_bind_ports(5432, port)
    with container:
        url = make_url(container.get_connection_url()).set(port=port)

        def start() -> None:
            container.get_wrapped_container().start()
            _wait_until_answers(url)

        yield PostgresqlServer(url, container.get_wrapped_container().stop, start)


def _binaries() -> Path | None:
    """Folder of the newest `initdb`; Debian keeps it out of the PATH."""
    found = [Path(initdb).parent] if (initdb := shutil.which("initdb")) else []
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: float(folder.parent.name))
    return next((folder for folder in [*reversed(debian), *found] if (folder / "initdb").exists()), None)


@contextmanager
def _on_this_machine(binaries: Path, settings: Sequence[str]) -> Iterator[PostgresqlServer]:
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
    try:
        password = secrets.token_hex(16)
        (folder / "password").write_text(password)
        as_owner = _owner_of(folder)
        how = [
            "--username=tests",
            "--auth=password",
            f"--pwfile={folder / 'password'}",
            "--encoding=UTF8",
            "--locale=C",
        ]
        _must_run([*as_owner, str(binaries / "initdb"), f"--pgdata={folder / 'data'}", *how, "--no-sync"])
        url = URL.create("postgresql+psycopg", "tests", password, _LOOPBACK, _free_port(), "postgres")
        local = _LocalServer(binaries, folder, as_owner, url, settings)
        local.start()
        try:
            yield PostgresqlServer(url, local.stop, local.start)
        finally:
            local.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _owner_of(folder: Path) -> Sequence[str]:
    """What runs a command as somebody who may run PostgreSQL, which root may not; the folder is made theirs."""
    if os.geteuid() != 0:
        return ()
    # Debian's package makes this user; any other that is not root would do.
    user = (
        "postgres" if subprocess.run(["id", "postgres"], check=False, capture_output=True).returncode == 0 else "nobody"
    )
    shutil.chown(folder, user)
    shutil.chown(folder / "password", user)
    return ("setpriv", f"--reuid={user}", "--regid", _must_run(["id", "-g", user]).strip(), "--clear-groups", "--")


@dataclass
class _LocalServer:
    """Debian's binaries, as a child that ends with us however we end."""

    binaries: Path
    folder: Path
    as_owner: Sequence[str]
    url: URL
    settings: Sequence[str]
    process: Any = None

    def start(self) -> None:
        if str(KEYCLOAK_FOLDER) not in sys.path:
            sys.path.append(str(KEYCLOAK_FOLDER))
        from child_process import ChildProcess

        where = [f"port={self.url.port}", f"listen_addresses={_LOOPBACK}", "unix_socket_directories="]
        options = [part for each in (*self.settings, *where) for part in ("-c", each)]
        command = [*self.as_owner, str(self.binaries / "postgres"), "-D", str(self.folder / "data"), *options]
        log = self.folder / "log"
        self.process = ChildProcess(command, environment={"PATH": os.environ["PATH"], "LC_ALL": "C"}, log=log)
        _wait_until_answers(self.url)

    def stop(self) -> None:
        # Fast: the server cuts its clients off. When we are killed, the child's own end is asked for, which waits for them.
        stop = [str(self.binaries / "pg_ctl"), "stop", "-D", str(self.folder / "data"), "-m", "fast"]
        _must_run([*self.as_owner, *stop])
        self.process.stop()


def _wait_until_answers(url: URL) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            psycopg.connect(plain(url), connect_timeout=5).close()
        except psycopg.OperationalError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return


def _must_run(command: Sequence[str]) -> str:
    ended = subprocess.run(command, check=False, capture_output=True, text=True, cwd="/", timeout=120)
    if ended.returncode != 0:
        raise RuntimeError(f"{command[-1]} failed: {ended.stderr.strip()}")
    return ended.stdout


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind((_LOOPBACK, 0))
        port: int = taken.getsockname()[1]
        return port
