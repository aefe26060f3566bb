"""Contracts of the ports `Apps` and `EventKeySource`: what Talkdesk does, as far as the broker relies on it (docs/talkdesk.md).

A subclass gives the fixture `talkdesk`; it drives the other side, so that one suite judges the real adapter and the twin.
"""

import asyncio
from dataclasses import replace
from typing import Protocol

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from broker.errors import LinkRefused, TalkdeskError
from broker.model.credentials import Credentials
from broker.model.installation import Installation
from broker.model.names import InstallationId
from broker.ports import Apps, EventKeySource


class AppsSide(Protocol):
    """Talkdesk behind `Apps`."""

    apps: Apps

    async def install(self) -> Installation:
        """A new installation that waits for an answer."""
        ...

    def answers(self, installation: Installation) -> list[str]:
        """What was said about it, in order."""
        ...

    def license(self, installation: Installation, *users: str) -> None:
        """Exactly these users, by id, are licensed for it."""
        ...

    def fail_next(self, status: int | None) -> None:
        """The next state call meets that status, or gets no answer."""
        ...

    async def rotate(self, installation: Installation) -> Credentials:
        """A second set of its credentials, that waits for its acknowledgement."""
        ...

    def kill(self, installation: Installation) -> None:
        """Its first set of credentials is dead from now on."""
        ...

    def is_acknowledged(self, installation: Installation) -> bool:
        """Whether the second set is."""
        ...


class AppsContract:
    """What every implementation does."""

    async def test_an_approval_arrives(self, talkdesk: AppsSide) -> None:
        """Talkdesk holds it for set up."""
        installation = await talkdesk.install()
        await talkdesk.apps.approve(installation)
        assert talkdesk.answers(installation) == ["approve"]

    async def test_a_rejection_arrives(self, talkdesk: AppsSide) -> None:
        """With its reason, whatever that consists of."""
        installation = await talkdesk.install()
        await talkdesk.apps.reject(installation, 'Not "yours" – sorry\n')
        assert talkdesk.answers(installation) == ["reject"]

    async def test_an_approval_may_be_repeated(self, talkdesk: AppsSide) -> None:
        """Redoing a task is harmless."""
        installation = await talkdesk.install()
        await talkdesk.apps.approve(installation)
        await talkdesk.apps.approve(installation)
        assert talkdesk.answers(installation) == ["approve", "approve"]

    async def test_approvals_at_once_arrive_each_at_its_installation(self, talkdesk: AppsSide) -> None:
        """None is answered with another's token."""
        installations = [await talkdesk.install() for _ in range(3)]
        await asyncio.gather(*(talkdesk.apps.approve(each) for each in installations * 2))
        assert [talkdesk.answers(each) for each in installations] == [["approve", "approve"]] * 3

    async def test_an_installation_that_talkdesk_does_not_know_is_final(self, talkdesk: AppsSide) -> None:
        """404: no repetition will help."""
        known = await talkdesk.install()
        with pytest.raises(TalkdeskError) as raised:
            await talkdesk.apps.approve(replace(known, id=InstallationId("never-heard-of")))
        assert (raised.value.status, raised.value.is_final) == (404, True)
        assert talkdesk.answers(known) == []

    async def test_credentials_are_proven_as_long_as_they_live(self, talkdesk: AppsSide) -> None:
        """Nothing that is remembered answers for them."""
        installation = await talkdesk.install()
        assert installation.credentials is not None
        await talkdesk.apps.approve(installation)
        await talkdesk.apps.prove(installation, installation.credentials)
        talkdesk.kill(installation)
        with pytest.raises(TalkdeskError) as raised:
            await talkdesk.apps.prove(installation, installation.credentials)
        assert (raised.value.status, raised.value.code) == (401, "invalid_client")

    async def test_a_rotated_set_is_acknowledged_by_itself(self, talkdesk: AppsSide) -> None:
        """Also where the one in use is dead."""
        installation = await talkdesk.install()
        rotated = await talkdesk.rotate(installation)
        talkdesk.kill(installation)
        await talkdesk.apps.prove(installation, rotated)
        assert not talkdesk.is_acknowledged(installation)
        await talkdesk.apps.acknowledge(installation, rotated)
        assert talkdesk.is_acknowledged(installation)

    @pytest.mark.parametrize("count", [0, 1, 50, 51, 120])
    async def test_licensed_users_are_listed_over_all_pages(self, talkdesk: AppsSide, count: int) -> None:
        """Each once, and no page is empty."""
        installation = await talkdesk.install()
        ids = [f"{number:024x}" for number in range(count)]
        talkdesk.license(installation, *ids)
        pages = [page async for page in talkdesk.apps.users(installation)]
        assert all(pages)
        assert [user["id"] for page in pages for user in page] == ids
        assert all(user["email"] for page in pages for user in page)

    async def test_dead_credentials_list_nobody(self, talkdesk: AppsSide) -> None:
        """An error, not an empty list."""
        installation = await talkdesk.install()
        talkdesk.kill(installation)
        with pytest.raises(TalkdeskError) as raised:
            _ = [page async for page in talkdesk.apps.users(installation)]
        assert raised.value.status == 401

    async def test_without_credentials_nothing_can_be_said(self, talkdesk: AppsSide) -> None:
        """They were erased: final, and there is no status because nobody was asked."""
        installation = await talkdesk.install()
        with pytest.raises(TalkdeskError) as raised:
            await talkdesk.apps.approve(replace(installation, credentials=None))
        assert (raised.value.status, raised.value.is_final) == (None, True)
        assert talkdesk.answers(installation) == []

    @pytest.mark.parametrize(
        ("status", "is_final"), [(403, True), (404, True), (429, False), (503, False), (None, False)]
    )
    async def test_a_failure_says_whether_to_try_again(
        self, talkdesk: AppsSide, status: int | None, is_final: bool
    ) -> None:
        """And the next try is a fresh one."""
        installation = await talkdesk.install()
        talkdesk.fail_next(status)
        with pytest.raises(TalkdeskError) as raised:
            await talkdesk.apps.approve(installation)
        assert (raised.value.status, raised.value.is_final) == (status, is_final)
        await talkdesk.apps.approve(installation)
        assert talkdesk.answers(installation) == ["approve"]


class EventKeysSide(Protocol):
    """Talkdesk behind `EventKeySource`."""

    keys: EventKeySource
    root: str

    def publish(self) -> tuple[str, EllipticCurvePublicKey]:
        """A new key and its id."""
        ...

    def break_off(self) -> None:
        """The gateway does not answer from now on."""
        ...


class EventKeysContract:
    """What every implementation does."""

    async def test_a_published_key_is_found_by_its_id(self, talkdesk: EventKeysSide) -> None:
        """Each id its own key, and the same again."""
        published = [talkdesk.publish() for _ in range(2)]
        for key_id, key in published * 2:
            found = await talkdesk.keys.fetch(talkdesk.root, key_id)
            assert found is not None
            assert found.public_numbers() == key.public_numbers()

    async def test_the_root_may_end_with_a_slash(self, talkdesk: EventKeysSide) -> None:
        """It is the same gateway."""
        key_id, _ = talkdesk.publish()
        assert await talkdesk.keys.fetch(f"{talkdesk.root}/", key_id) is not None

    @pytest.mark.parametrize("key_id", ["unknown", "../state", ""])
    async def test_an_unknown_key_is_none(self, talkdesk: EventKeysSide, key_id: str) -> None:
        """Talkdesk says so; or the id can't be one."""
        assert await talkdesk.keys.fetch(talkdesk.root, key_id) is None

    @pytest.mark.parametrize("root", ["https://evil.example", "", "https://127.0.0.1@evil.example"])
    async def test_a_gateway_that_is_not_listed_is_refused(self, talkdesk: EventKeysSide, root: str) -> None:
        """Whatever id is asked for."""
        key_id, _ = talkdesk.publish()
        with pytest.raises(LinkRefused):
            await talkdesk.keys.fetch(root, key_id)

    async def test_a_gateway_that_does_not_answer_is_an_error_that_may_pass(self, talkdesk: EventKeysSide) -> None:
        """Not None: nobody said that there is no such key."""
        key_id, _ = talkdesk.publish()
        talkdesk.break_off()
        with pytest.raises(TalkdeskError) as raised:
            await talkdesk.keys.fetch(talkdesk.root, key_id)
        assert not raised.value.is_final
