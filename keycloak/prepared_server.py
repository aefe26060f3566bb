"""The files of a Keycloak server without Docker: built once, and ready for a quick start.

Owns: a prepared server in the user's cache: built for `start-dev`, with a database that has the schema and the
administrator, and with a class-data archive. Each run gets a home of its own that shares the program files with the
prepared one and has its own copy of the database; the realm is imported at each start by Keycloak itself, so a change of
realm or theme needs no new preparation.
Leaves to others: where its parts come from (`distribution`), and starting it for use (`local_server`).
"""

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import socket
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from child_process import ChildProcess
from distribution import VERSION, ZIP_SHA256, Missing, Progress, find_distribution, find_java

__all__ = [
    "ADMIN_USERNAME",
    "BUILT_FOR",
    "Missing",
    "PreparedServer",
    "free_port",
    "prepared_server",
    "server_environment",
]

ADMIN_USERNAME = "admin"

# Short start before high speed: one collector thread, the quick compiler only. As a whole, since JAVA_OPTS replaces
# what Keycloak's script has; the last line is the script's own.
_JVM_OPTIONS = (
    "-Xms64m -Xmx768m -XX:MaxMetaspaceSize=256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:+ExitOnOutOfMemoryError "
    "-Dfile.encoding=UTF-8 -Djava.security.egd=file:/dev/urandom -Djdk.tls.rejectClientInitiatedRenegotiation=true"
)

# Options that Keycloak builds for: fixed, so that no start builds again. Health off also means no management port.
BUILT_FOR = ("--health-enabled=false", "--metrics-enabled=false")


@dataclass(frozen=True)
class PreparedServer:
    """A prepared server in the cache."""

    folder: Path
    java_home: Path

    @property
    def admin_password(self) -> str:
        """The administrator's password: random, made when this cache was prepared, readable for this user only."""
        return self._password_file.read_text()

    @property
    def _password_file(self) -> Path:
        return self.folder / "admin-password"

    @property
    def _home(self) -> Path:
        return self.folder / f"keycloak-{VERSION}"

    @property
    def _class_data(self) -> Path:
        return self.folder / "classes.jsa"

    @property
    def _mark(self) -> Path:
        return self.folder / "prepared"

    def is_prepared(self) -> bool:
        """Whether the preparation came to its end."""
        return self._mark.exists()

    def new_home(self, home: Path) -> None:
        """Lay out a home for one run."""
        (home / "data" / "import").mkdir(parents=True)
        (home / "providers").mkdir()
        (home / "themes").mkdir()
        (home / "lib").symlink_to(self._home / "lib")
        shutil.copytree(self._home / "conf", home / "conf")
        shutil.copytree(self._home / "data" / "h2", home / "data" / "h2")

    def new_home_to_build(self, home: Path, kept_as: str) -> None:
        """Lay out a home whose server Keycloak may build anew: what a build writes is its own, and there is no database.

        It begins with the build that was kept under this name, where one was.
        """
        for each in ("data/import", "providers", "themes", "lib"):
            (home / each).mkdir(parents=True)
        for each in ("bin", "conf", "lib/app"):
            shutil.copytree(self._home / each, home / each)
        kept = self.folder / kept_as
        shutil.copytree(kept if kept.exists() else self._home / "lib" / "quarkus", home / "lib" / "quarkus")
        shutil.copy(self._home / "lib" / "quarkus-run.jar", home / "lib")
        (home / "lib" / "lib").symlink_to(self._home / "lib" / "lib")

    def keep_build(self, home: Path, kept_as: str) -> None:
        """Keep what Keycloak built in this home, for the next one."""
        if not (self.folder / kept_as).exists():
            with tempfile.TemporaryDirectory(dir=self.folder) as folder, contextlib.suppress(OSError):
                shutil.copytree(home / "lib" / "quarkus", Path(folder) / "build")
                (Path(folder) / "build").rename(self.folder / kept_as)  # another process may have been quicker

    def command(self, home: Path) -> list[str]:
        """What starts the server in `home`, without further options."""
        return ["sh", str(self._home / "bin" / "kc.sh"), "start-dev", *BUILT_FOR, f"-Dkc.home.dir={home}"]

    def environment(self) -> dict[str, str]:
        """What a run needs in its environment."""
        return server_environment() | {
            "JAVA_HOME": str(self.java_home),
            "JAVA_OPTS": f"{_JVM_OPTIONS} -Xlog:cds=off -Xshare:auto -XX:SharedArchiveFile={self._class_data}",
        }

    def prepare(self, archive: Path, progress: Progress) -> None:
        """Unpack, build, make the database, then a second start whose classes are archived. No network."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self._password_file.touch(0o600)
        self._password_file.write_text(secrets.token_urlsafe(24))
        progress("unpacking Keycloak")
        with zipfile.ZipFile(archive) as content:
            content.extractall(self.folder)  # the checksum says whose it is
        progress("building Keycloak and its database (once, about 40 s)")
        self._start_and_stop(["sh", str(self._home / "bin" / "kc.sh"), "start-dev", *BUILT_FOR], _JVM_OPTIONS)
        progress("archiving its classes (once, about 20 s)")
        home = self.folder / "first-run"
        self.new_home(home)
        self._start_and_stop(
            self.command(home), f"{_JVM_OPTIONS} -Xlog:cds=off -XX:ArchiveClassesAtExit={self._class_data}"
        )
        shutil.rmtree(home)
        self._mark.touch()

    def _start_and_stop(self, command: list[str], jvm_options: str) -> None:
        port = free_port()
        environment = server_environment() | {
            "JAVA_HOME": str(self.java_home),
            "JAVA_OPTS": jvm_options,
            "KC_BOOTSTRAP_ADMIN_USERNAME": ADMIN_USERNAME,
            "KC_BOOTSTRAP_ADMIN_PASSWORD": self.admin_password,
        }
        options = ["--http-host=127.0.0.1", f"--http-port={port}"]
        child = ChildProcess([*command, *options], environment=environment, log=self.folder / "preparation.log")
        try:
            url = f"http://127.0.0.1:{port}/realms/master/.well-known/openid-configuration"
            child.wait_until_answers(url, seconds=300)
        finally:
            child.stop()


def prepared_server(progress: Progress) -> PreparedServer:
    """The prepared server of this user's cache; made first where it isn't there."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "talkdesk-appconnect-broker"
    cache.mkdir(parents=True, exist_ok=True)
    java_home, java_version = find_java(cache, progress)
    key = hashlib.sha256("\n".join([ZIP_SHA256, str(java_home), java_version, _JVM_OPTIONS, *BUILT_FOR]).encode())
    server = PreparedServer(cache / f"keycloak-{VERSION}-{key.hexdigest()[:12]}", java_home)
    with _only_one(cache / "lock", progress):
        if not server.is_prepared():
            server.prepare(find_distribution(cache, progress), progress)
    return server


def server_environment() -> dict[str, str]:
    """Our environment without what would change a server: its own options, and the broker's settings."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("KC_", "KEYCLOAK_", "JAVA_", "BROKER_"))
    }


def free_port() -> int:
    """A port of the loopback interface that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def _only_one(path: Path, progress: Progress) -> Iterator[None]:
    """Hold the lock; it goes with the process, so a killed one leaves none behind."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another process that prepares Keycloak")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
