"""A disk that can be filled, or that nobody can write to.

Owns: the file system. Leaves to others: what becomes of the broker that lives on it.
"""

import contextlib
import os
from pathlib import Path

from tests.processes import BrokerProcess


class Disk:
    """A file system in memory that only one process sees, and we through it: nothing of it is left when that process has ended.

    The process gets a mount namespace of its own; who is not root gets a user namespace for that, in which he may mount.
    """

    def __init__(self, folder: Path, *, is_read_only: bool = False, mib: int = 4) -> None:
        """An empty database and its log of writes need one MiB."""
        folder.mkdir()
        self.folder = folder
        size = f"size={mib}m"
        mount = f'mount -t tmpfs -o {size},{"ro" if is_read_only else "rw"} disk "$0" && exec "$@"'
        user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        self.within = ["unshare", "--mount", *user, "--", "sh", "-c", mount, str(folder)]

    def seen_by(self, broker: BrokerProcess) -> list[str]:
        """Command that runs another one in there."""
        user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        return ["nsenter", f"--target={broker.pid}", "--mount", *user, "--"]

    def fill(self, broker: BrokerProcess) -> None:
        """To the last byte."""
        with self._ballast(broker).open("wb", buffering=0) as ballast:
            for size in (65536, 4096, 1):
                with contextlib.suppress(OSError):
                    while ballast.write(bytes(size)):
                        pass

    def empty(self, broker: BrokerProcess) -> None:
        """Away with what filled it."""
        self._ballast(broker).unlink()

    def _ballast(self, broker: BrokerProcess) -> Path:
        return Path(f"/proc/{broker.pid}/root{self.folder}/somebody-elses")
