"""Many people of one installation sign on, eight at once, and then it is uninstalled: all are out, on a real Keycloak.

`TEST_PEOPLE` says how many; `make soak` takes five hundred. What it took is printed.
"""

import asyncio
import os
import resource
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from demo.talkdesk import ACME, Account, Installation, User
from tests.fakes.keycloak.upstream import unverified_claims
from tests.scenarios.test_relay import settled
from tests.world import OpenWorld, World, users_of

PEOPLE = int(os.environ.get("TEST_PEOPLE", "100"))
AT_ONCE = 8


def big_customer(world: World) -> Account:
    """An account with so many people in it."""
    users = tuple(User(f"{number:024x}", f"Agent {number}", f"agent{number}@acme.example") for number in range(PEOPLE))
    account = replace(ACME, users=users)
    world.talkdesk.state.accounts[account.slug] = account
    return account


async def launch_one_after_the_other(world: World, installation: Installation, users: Iterator[User]) -> None:
    """Each in a browser of its own; what one takes no other does."""
    for user in users:
        page = await world.launch(world.browser(user), installation, user)
        assert (page.status, page.url) == (200, f"{world.wallboard.url}/"), page.text
        assert user.name in page.text


def sessions_of(tokens: list[str]) -> Counter[str]:
    """In how many logout tokens which Keycloak session is; one that the app was slow to confirm came twice, and is one."""
    return Counter(unverified_claims(token)["sid"] for token in set(tokens))


def peak_mib() -> float:
    """The most memory that this process has had in RAM: broker, app, Talkdesk and all browsers in one."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.timeout(1500)
async def test_everybody_of_an_installation_is_out_when_it_is_uninstalled(
    opened: OpenWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every launch arrives; every session ends, by one logout token for each; the app has confirmed all, and the record says so."""
    async with opened(relayed=True) as world:
        account = big_customer(world)
        installation = await world.install(account)
        began, users = time.perf_counter(), iter(account.users)
        await asyncio.gather(*(launch_one_after_the_other(world, installation, users) for _ in range(AT_ONCE)))
        signed_on_s = time.perf_counter() - began
        assert users_of(world.wallboard) == sorted(user.id for user in account.users)
        sessions = {session.sid for session in world.wallboard.signed_in}
        before, began = peak_mib(), time.perf_counter()
        await world.talkdesk.uninstall(installation)
        row = await settled(world, "done", seconds=600)
        ended_s = time.perf_counter() - began
        assert (row.cause, row.sign_ons, row.confirmed) == ("installation closed", PEOPLE, PEOPLE)
        assert (row.undelivered, row.problem) == (0, None)
        assert not world.wallboard.signed_in
        assert sessions_of(world.fronts["wallboard"].tokens) == dict.fromkeys(sessions, 1)
    with capsys.disabled():
        print(
            f"\n{PEOPLE} people signed on in {signed_on_s:.0f} s, {AT_ONCE} at once, and were out {ended_s:.1f} s after the uninstall;"
            f" peak memory {before:.0f} MiB, then {peak_mib():.0f} MiB (broker, app, Talkdesk and browsers in one process)"
        )
