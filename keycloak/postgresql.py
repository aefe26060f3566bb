"""A Keycloak server on a PostgreSQL database: what it is told, and how it is started so that it may build itself for it."""

from dataclasses import dataclass, field
from pathlib import Path

from prepared_server import ADMIN_USERNAME, BUILT_FOR

BUILD = "built-for-postgresql"
"""Name of what Keycloak builds itself for, in the cache."""

# For hours under load, and for as many cached identity providers as `docker-compose.yml` allows: the prepared server's options are for a
# short start. Class data of the prepared server would not fit.
_JVM_OPTIONS = (
    "-Xms256m -Xmx2g -XX:MaxMetaspaceSize=512m -XX:+UseSerialGC -XX:+ExitOnOutOfMemoryError "
    "-Dfile.encoding=UTF-8 -Djava.security.egd=file:/dev/urandom -Djdk.tls.rejectClientInitiatedRenegotiation=true"
)


@dataclass(frozen=True)
class Postgresql:
    """A database, and the role that owns it."""

    host: str
    port: int
    database: str
    username: str
    password: str = field(repr=False)

    def environment(self, admin_password: str) -> dict[str, str]:
        """For the server; the administrator is made at its first start."""
        return {
            "KC_DB": "postgres",
            "KC_DB_URL": f"jdbc:postgresql://{self.host}:{self.port}/{self.database}",
            "KC_DB_USERNAME": self.username,
            "KC_DB_PASSWORD": self.password,
            "KC_BOOTSTRAP_ADMIN_USERNAME": ADMIN_USERNAME,
            "KC_BOOTSTRAP_ADMIN_PASSWORD": admin_password,
            "JAVA_OPTS": _JVM_OPTIONS,
        }


def command_of(home: Path) -> list[str]:
    """What starts the server of a home of its own (`PreparedServer.new_home_to_build`)."""
    return ["sh", str(home / "bin" / "kc.sh"), "start-dev", *BUILT_FOR]
