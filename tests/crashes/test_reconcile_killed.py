"""`broker reconcile`, killed in the middle of its work and begun anew: everything is made, and everything once."""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from functools import partial

from broker.model.names import InstallationId
from tests.contracts.stores import installed, receive
from tests.crashes.surroundings import LEASE_S, Surroundings
from tests.processes import ROOT
from tests.waiting import eventually

INSTALLATIONS = 40
KILLS = 3


async def test_a_killed_reconcile_is_taken_up(around: Surroundings) -> None:
    """Killed three times while it makes identity providers; the fourth run ends. None is made twice, and the next has nothing to do."""
    await _hear_of_installations(around)
    for kill in range(1, KILLS + 1):
        process = _reconcile(around)
        try:
            # Not less than what each run adds: a run that found nothing to do would never get there.
            await eventually(
                partial(_has_made, around, kill * 8),
                what="some are made",
                seconds=20 + 5 * LEASE_S,
            )
        finally:
            process.kill()
            await asyncio.to_thread(process.communicate)
        assert process.returncode != 0, "it came to its end"
    assert _made(around) < INSTALLATIONS

    process = _reconcile(around)
    output, _ = await asyncio.to_thread(process.communicate, timeout=120)

    assert process.returncode == 0, output.decode()
    creates = Counter(
        request.json()["alias"]
        for request in around.keycloak.writes()
        if request.method == "POST" and request.path.endswith("/instances") and request.status == 201
    )
    assert creates == Counter({f"talkdesk-{number:032d}": 1 for number in range(INSTALLATIONS)})
    assert all(each.is_enabled and len(each.mappers) == 1 for each in around.keycloak.identity_providers.values())
    last = _reconcile(around)
    output, _ = await asyncio.to_thread(last.communicate, timeout=60)
    assert b"everything is as it should be" in output


async def _hear_of_installations(around: Surroundings) -> None:
    """Installs that were heard of, and whose tasks were lost."""
    async with around.data.stores() as stores:
        for number in range(INSTALLATIONS):
            await receive(stores, installed(installation=InstallationId(f"{number:032d}")))


def _has_made(around: Surroundings, least: int) -> bool:
    return _made(around) >= least


def _made(around: Surroundings) -> int:
    return len(around.keycloak.identity_providers)


def _reconcile(around: Surroundings) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "broker", "reconcile"]
    environment = {"PATH": os.environ["PATH"], **around.settings()}
    return subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
