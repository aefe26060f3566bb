"""What is asked of Docker: does an engine answer, and can it run our image? Running it is `local_server`'s."""

import subprocess

from distribution import VERSION, Progress

IMAGE = f"quay.io/keycloak/keycloak:{VERSION}"


def answers() -> bool:
    """Whether an engine runs here."""
    return _succeeds(["docker", "info"], seconds=10)


def has_image(progress: Progress) -> bool:
    """Whether it has our image, or could fetch it."""
    if _succeeds(["docker", "image", "inspect", IMAGE], seconds=30):
        return True
    progress(f"fetching {IMAGE}")
    return _succeeds(["docker", "pull", "--quiet", IMAGE], seconds=900)


def _succeeds(command: list[str], *, seconds: int) -> bool:
    try:
        ended = subprocess.run(command, check=False, capture_output=True, timeout=seconds, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return ended.returncode == 0
