"""Contract of the port `RealmUsers`: whom a rule names, and whom a link. The realm may find more; what is given is exact.

A subclass gives the fixtures `users` and `company`, the realm in which they are.
"""

import pytest

from broker.model.names import Alias
from broker.model.realm_user import MatchRule, RealmUser
from broker.ports import RealmUsers
from tests.company import USER_ID_ATTRIBUTE, HasUsers

BY_EMAIL, BY_USERNAME, BY_ID = (MatchRule(by, ()) for by in ("email", "username", USER_ID_ATTRIBUTE))


class RealmUsersContract:
    """What every implementation does."""

    async def test_an_address_names_one(self, users: RealmUsers, company: HasUsers) -> None:
        """Whatever its case; not a part of it, and not a pattern."""
        ana = await company.add_user("a.sousa", "ana@acme.example")
        await company.add_user("b.costa", "bruno@acme.example")
        found = RealmUser(ana, "a.sousa", "ana@acme.example", True)
        for value in ("ana@acme.example", "Ana@ACME.example"):
            assert list(await users.matching(BY_EMAIL, value)) == [found]
        for value in ("na@acme.example", "ana@acme", "*", "%", "a.sousa", ""):
            assert list(await users.matching(BY_EMAIL, value)) == []

    async def test_a_username_names_one(self, users: RealmUsers, company: HasUsers) -> None:
        """Exactly: an address in another field is none."""
        ana = await company.add_user("ana@acme.example", None)
        await company.add_user("b.costa", "bruno@acme.example", is_enabled=False)
        assert list(await users.matching(BY_USERNAME, "ANA@acme.example")) == [
            RealmUser(ana, "ana@acme.example", None, True)
        ]
        assert list(await users.matching(BY_USERNAME, "bruno@acme.example")) == []
        (disabled,) = await users.matching(BY_USERNAME, "b.costa")
        assert not disabled.is_enabled

    @pytest.mark.parametrize("value", ["573491d5df01", 'a b:c "d"', "a:b"])
    async def test_an_attribute_names_whoever_has_it(self, users: RealmUsers, company: HasUsers, value: str) -> None:
        """Case counts, since ids are opaque; nothing in the value is a search of its own."""
        ids = [await company.add_user(name, None, attributes={USER_ID_ATTRIBUTE: value}) for name in ("one", "two")]
        await company.add_user("three", None, attributes={USER_ID_ATTRIBUTE: value.swapcase()})
        await company.add_user("four", None, attributes={USER_ID_ATTRIBUTE: "other"})
        assert {user.id for user in await users.matching(BY_ID, value)} == set(ids)
        assert list(await users.matching(BY_ID, f'{value}" "username":"four')) == []

    async def test_nobody_is_linked_to_what_nobody_signed_on_through(
        self, users: RealmUsers, company: HasUsers
    ) -> None:
        """Neither by alias nor by user."""
        ana = await company.add_user("a.sousa", "ana@acme.example")
        assert list(await users.linked(Alias("talkdesk-nobody"), "talkdesk-acme-ana")) == []
        assert dict(await users.links(ana)) == {}
