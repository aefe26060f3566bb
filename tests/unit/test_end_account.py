"""Everybody of an account is signed out, also where Keycloak stumbles over some."""

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from joserfc import jws

from broker.errors import KeycloakError, NotYet
from broker.issuer.identifier import Issuers
from broker.issuer.keys import SigningKeys
from broker.listing import LogoutFilter, LogoutRow
from broker.logout.account import EndAccount
from broker.logout.end_sessions import EndSessions
from broker.model.installation import Installation
from broker.model.names import InstallationId, TalkdeskUserId
from broker.model.sign_on import SignOn, SignOnState
from broker.ports import Json
from broker.realm.in_memory import InMemoryIdentityProviders
from broker.storage.database import open_database
from broker.storage.sql_logout_lists import SqlLogoutList
from broker.storage.stores import Stores
from tests.contracts.stores import NOW, at, installed, receive, sign_on, uninstalled
from tests.stores import opened_stores

pytestmark = pytest.mark.thorough

DISABLED = InstallationId("disabled")


class Keycloak:
    """Answers each logout token by its issuer; notes what it was told."""

    def __init__(self) -> None:
        self.told: list[Json] = []
        self.answers: dict[str, int | None] = {}
        self.answered: Callable[[], None] = lambda: None

    async def post(self, logout_token: str) -> int:
        told: Json = json.loads(jws.extract_compact(logout_token.encode()).payload)
        self.told.append(told)
        status = self.answers.get(told["iss"].rpartition("/")[2], 200)
        if status is None:
            raise KeycloakError("no answer")
        self.answered()
        return status

    @property
    def sids(self) -> list[str]:
        return sorted(claims["sid"] for claims in self.told)


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[Stores]:
    """Real ones."""
    async with opened_stores(tmp_path) as stores:
        yield stores


class Closing:
    """An account that is closed, with a Keycloak that is told."""

    def __init__(self, stores: Stores, folder: Path, keys: SigningKeys) -> None:
        self.stores = stores
        self.keycloak = Keycloak()
        self.now = at(300)
        self._folder = folder
        end_sessions = EndSessions(
            stores.sign_ons,
            self.keycloak,
            InMemoryIdentityProviders(),
            stores.provider_records,
            keys,
            Issuers("https://broker.test", "https://broker.test"),
            lambda: self.now,
            timedelta(seconds=60),
        )
        self.end = EndAccount(stores.sign_ons, stores.logout_records, end_sessions, lambda: self.now)

    async def sign_on(self, installation: InstallationId, state: SignOnState, created_at: float = 0) -> SignOn:
        """Somebody new."""
        made = sign_on()
        person = replace(made.person, user=TalkdeskUserId(f"user-{made.id}"))
        kept = replace(made, installation=installation, person=person, created_at=at(created_at))
        assert await self.stores.sign_ons.save(kept)
        await self.stores.sign_ons.advance(kept.id, state)
        return kept

    async def installation(self) -> Installation:
        """The one that is closed."""
        found = await self.stores.installations.find(InstallationId("i1"))
        assert found is not None
        return found

    async def records(self) -> list[LogoutRow]:
        """What is on record."""
        database = open_database(f"sqlite:///{self._folder / 'broker.sqlite3'}")
        rows = (await SqlLogoutList(database).page(LogoutFilter(), 10)).rows
        await database.close()
        return [*rows]

    async def record(self) -> LogoutRow:
        """What is on record of it."""
        [row] = await self.records()
        return row


@pytest.fixture
async def closing(stores: Stores, tmp_path: Path) -> Closing:
    """An uninstalled app."""
    await receive(stores, installed(installation=InstallationId("i1")))
    await receive(stores, uninstalled(at(200), InstallationId("i1")))
    return Closing(stores, tmp_path, await SigningKeys.load(stores.issuer_keys))


async def test_more_people_than_a_page_are_all_told_though_keycloak_refuses_the_first_ones(closing: Closing) -> None:
    """Those of a disabled identity provider stay, with the reason on record; nobody waits behind them."""
    for _ in range(210):
        await closing.sign_on(DISABLED, SignOnState.SEEN)
    others = [(await closing.sign_on(InstallationId("i1"), SignOnState.SEEN)).sid for _ in range(5)]
    closing.keycloak.answers["disabled"] = 500
    with pytest.raises(KeycloakError):
        await closing.end(await closing.installation())
    assert set(others) <= set(closing.keycloak.sids)
    row = await closing.record()
    assert (row.state, row.problem) == ("open", "Keycloak did not take a logout token")
    closing.keycloak.told.clear()
    closing.keycloak.answers.clear()
    await closing.end(await closing.installation())
    assert len(closing.keycloak.told) == 210, "who was told is not told again"
    row = await closing.record()
    assert (row.cause, row.state, row.sign_ons, row.problem) == ("installation closed", "done", 215, None)


async def test_a_keycloak_that_does_not_answer_is_not_asked_for_each_of_them(closing: Closing) -> None:
    """It is down: one batch says so."""
    for _ in range(30):
        await closing.sign_on(InstallationId("i1"), SignOnState.SEEN)
    closing.keycloak.answers["i1"] = None
    with pytest.raises(KeycloakError):
        await closing.end(await closing.installation())
    assert len(closing.keycloak.told) == 10


async def test_a_slow_keycloak_is_told_of_everybody_once_in_several_runs(closing: Closing) -> None:
    """Each ends before its lease does, and the record keeps what an earlier one found out."""
    for _ in range(120):
        await closing.sign_on(InstallationId("i1"), SignOnState.SEEN)

    def half_a_second_later() -> None:
        closing.now += timedelta(seconds=0.5)

    closing.keycloak.answered = half_a_second_later
    closing.keycloak.answers["i1"] = 504
    runs = 0
    while (await closing.records()) == [] or (await closing.record()).state == "open":
        runs += 1
        with contextlib.suppress(NotYet):
            await closing.end(await closing.installation())
        closing.keycloak.answers["i1"] = 200
    assert (runs, len(closing.keycloak.sids), len(set(closing.keycloak.sids))) == (3, 120, 120)
    assert "could not tell an app" in ((await closing.record()).problem or "")


async def test_a_code_that_was_redeemed_just_now_is_ended_once_more(closing: Closing) -> None:
    """It becomes a session a moment after the first logout token, which finds none."""
    young = await closing.sign_on(InstallationId("i1"), SignOnState.REDEEMED, created_at=299)
    with pytest.raises(NotYet) as waits:
        await closing.end(await closing.installation())
    assert waits.value.after == timedelta(seconds=5)
    assert (await closing.record()).state == "open"
    await closing.end(await closing.installation())
    assert closing.keycloak.sids == [young.sid] * 2
    assert (await closing.record()).state == "done"
    await closing.end(await closing.installation())
    assert len(closing.keycloak.told) == 2


async def test_old_sign_ons_are_ended_once(closing: Closing) -> None:
    """They are sessions, or never will be."""
    old = await closing.sign_on(InstallationId("i1"), SignOnState.REDEEMED, created_at=0)
    closing.now = NOW + timedelta(hours=1)
    await closing.end(await closing.installation())
    assert closing.keycloak.sids == [old.sid]
    assert closing.keycloak.told[0]["events"] == {
        "http://schemas.openid.net/event/backchannel-logout": {"revoke_offline_access": True}
    }
