"""The imitation as a realm that somebody else owns."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pytest

from tests.company import PASSWORD, Company, config
from tests.fakes.keycloak import KeycloakImitation, User
from tests.scenarios.conftest import ImitatedRealm
from tests.world import OpenWorld, World


class ImitatedCompany(ImitatedRealm):
    """The imitation as a `Company`."""

    settings: Mapping[str, Any] = {"users": "existing", "accounts": "listed"}

    async def add_user(
        self, username: str, email: str | None, *, is_enabled: bool = True, attributes: Mapping[str, str] | None = None
    ) -> str:
        """As the port says."""
        user = self.keycloak.add_user(username, email)
        user.first_name, user.last_name = "Given", "Family"
        user.is_enabled, user.password = is_enabled, PASSWORD
        user.attributes = {name: [value] for name, value in (attributes or {}).items()}
        return user.id

    async def everything_of(self, user_id: str) -> Mapping[str, Any]:
        """As the port says."""
        return {name: value for name, value in asdict(self._user(user_id)).items() if name not in ("links", "sign_ons")}

    async def links_of(self, user_id: str) -> Mapping[str, str]:
        """As the port says."""
        return dict(self._user(user_id).links)

    async def usernames(self) -> Sequence[str]:
        """As the port says."""
        return [user.username for user in self.keycloak.users()]

    async def let_the_broker_end_sessions(self) -> None:
        """As the port says."""
        self.keycloak.let_the_broker_end_sessions()

    async def disable(self, user_id: str) -> None:
        """As the port says."""
        self._user(user_id).is_enabled = False

    def _user(self, user_id: str) -> User:
        return next(user for user in self.keycloak.users() if user.id == user_id)


@pytest.fixture
def company(keycloak: KeycloakImitation) -> Company:
    """A company's realm, without users."""
    keycloak.belong_to_a_company()
    return ImitatedCompany(keycloak)


@pytest.fixture
async def world(opened: OpenWorld, company: Company) -> AsyncIterator[World]:
    """Talkdesk users are found by e-mail."""
    async with opened(realm=company, settings=company.settings, config=config()) as world:
        yield world
