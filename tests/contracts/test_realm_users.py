"""The in-memory twin of `RealmUsers` keeps the contract."""

from collections.abc import Mapping

import pytest

from broker.model.realm_user import RealmUser
from broker.realm.in_memory import InMemoryRealmUsers
from tests.contracts.realm_users import RealmUsersContract


class TwinsCompany:
    """Adds users to the twin."""

    def __init__(self, users: InMemoryRealmUsers) -> None:
        self._users = users

    async def add_user(
        self, username: str, email: str | None, *, is_enabled: bool = True, attributes: Mapping[str, str] | None = None
    ) -> str:
        """As `Company` says."""
        user = RealmUser(f"id of {username}", username, email, is_enabled)
        self._users.users.append(user)
        self._users.attributes[user.id] = dict(attributes or {})
        return user.id


class TestInMemory(RealmUsersContract):
    """The twin."""

    @pytest.fixture
    def users(self) -> InMemoryRealmUsers:
        """A realm without users."""
        return InMemoryRealmUsers()

    @pytest.fixture
    def company(self, users: InMemoryRealmUsers) -> TwinsCompany:
        """Its administrator."""
        return TwinsCompany(users)
