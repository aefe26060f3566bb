"""A real Keycloak's realm that somebody else owns, with people and things of its own; the broker's part comes by `broker realm apply`."""

import os
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from demo.app import DownstreamApp
from tests.acceptance.existing.foreign import enterprise, foreign_parts
from tests.acceptance.keycloak_server import AdminToken, RunningKeycloak
from tests.acceptance.realm_commands import RealmCommands
from tests.company import PASSWORD, Company, config
from tests.world import OpenWorld, World

GROUP = "agents"
FLAGS = {"registrationEmailAsUsername": False, "loginWithEmailAllowed": True, "duplicateEmailsAllowed": False}


@dataclass(frozen=True)
class RealCompany(RunningKeycloak):
    """A realm of a running Keycloak as a `Company`."""

    before: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """Everything that is not ours, as it was before the broker came."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """As the port says."""
        return {"users": "existing", "accounts": "listed", "keycloak_realm": self.realm}

    async def point_to(self, broker_url: str) -> None:
        """As the port says; nothing else of the realm knows where the broker is."""
        async with self.admin() as admin:
            (launch,) = (await admin.get("clients", params={"clientId": "talkdesk-launch"})).raise_for_status().json()
            change = {"clientId": "talkdesk-launch", "redirectUris": [f"{broker_url}/launch/return"]}
            (await admin.put(f"clients/{launch['id']}", json=change)).raise_for_status()

    async def register_app(self, app: DownstreamApp, logout_url: str | None = None) -> None:
        """As the port says; its administrator gives the app our claims."""
        await super().register_app(app, logout_url)
        async with self.admin() as admin:
            (client,) = (await admin.get("clients", params={"clientId": app.client_id})).raise_for_status().json()
            scopes = (await admin.get("client-scopes")).raise_for_status().json()
            (scope,) = (each["id"] for each in scopes if each["name"] == "talkdesk")
            (await admin.put(f"clients/{client['id']}/default-client-scopes/{scope}")).raise_for_status()

    async def add_user(
        self, username: str, email: str | None, *, is_enabled: bool = True, attributes: Mapping[str, str] | None = None
    ) -> str:
        """As the port says; nobody has verified the address."""
        user = {
            "username": username,
            "email": email,
            "emailVerified": False,
            "firstName": "Given",
            "lastName": "Family",
            "enabled": is_enabled,
            "groups": [GROUP],
            "attributes": {name: [value] for name, value in (attributes or {}).items()},
            "credentials": [{"type": "password", "value": PASSWORD, "temporary": False}],
        }
        async with self.admin() as admin:
            location: str = (await admin.post("users", json=user)).raise_for_status().headers["Location"]
        return location.rpartition("/")[2]

    async def everything_of(self, user_id: str) -> Mapping[str, Any]:
        """As the port says."""
        known = {part: await self._get(f"users/{user_id}{part}") for part in ("", "/groups", "/role-mappings")}
        known[""].pop("federatedIdentities", None)
        return known

    async def links_of(self, user_id: str) -> Mapping[str, str]:
        """As the port says."""
        links = await self._get(f"users/{user_id}/federated-identity")
        return {link["identityProvider"]: link["userId"] for link in links}

    async def usernames(self) -> Sequence[str]:
        """As the port says."""
        return [user["username"] for user in await self._get("users?max=1000")]

    async def let_the_broker_end_sessions(self) -> None:
        """As the port says."""
        await self._switch_role("POST")

    async def take_the_role_back(self) -> None:
        """The service account may no longer end sessions; nothing changes where it may not."""
        await self._switch_role("DELETE")

    async def _switch_role(self, method: str) -> None:
        async with self.admin() as admin:
            (realm_management,) = await self._get("clients?clientId=realm-management")
            (broker,) = await self._get("clients?clientId=talkdesk-broker")
            account = await self._get(f"clients/{broker['id']}/service-account-user")
            role = await self._get(f"clients/{realm_management['id']}/roles/manage-users")
            path = f"users/{account['id']}/role-mappings/clients/{realm_management['id']}"
            (await admin.request(method, path, json=[role])).raise_for_status()

    async def disable(self, user_id: str) -> None:
        """As the port says."""
        async with self.admin() as admin:
            user = (await admin.get(f"users/{user_id}")).raise_for_status().json() | {"enabled": False}
            (await admin.put(f"users/{user_id}", json=user)).raise_for_status()

    async def change(self, **changes: Any) -> None:
        """As its administrator changes the realm."""
        async with self.admin() as admin:
            (await admin.put("", json=changes)).raise_for_status()

    async def _get(self, path: str) -> Any:
        async with self.admin() as admin:
            return (await admin.get(path)).raise_for_status().json()


@pytest.fixture(scope="session")
def new_company(keycloak: RunningKeycloak) -> Iterator[RealCompany]:
    """The realm, brought to what the broker needs; making one takes longer than a test."""
    name = f"company-{uuid.uuid4().hex}"
    login = (keycloak.url, keycloak.admin_username, keycloak.admin_password)
    url = f"{keycloak.url}/admin/realms"
    with httpx.Client(auth=AdminToken(*login), timeout=60, trust_env=False, base_url=f"{url}/{name}/") as admin:
        enterprise(admin, url, {"realm": name, "groups": [{"name": GROUP}], **FLAGS})
        company = RealCompany(*login, os.urandom(16).hex(), os.urandom(16).hex(), name, foreign_parts(admin))
        RealmCommands(company, users="existing", config=config()).run("apply", "--yes")
        yield company
        admin.delete("").raise_for_status()


@pytest.fixture
async def company(new_company: RealCompany) -> AsyncIterator[RealCompany]:
    """The realm without users, as its file says."""
    yield new_company
    async with new_company.admin() as admin:
        for user in (await admin.get("users?max=1000")).raise_for_status().json():
            (await admin.delete(f"users/{user['id']}")).raise_for_status()
    await new_company.take_the_role_back()
    await new_company.change(**FLAGS)


@pytest.fixture
async def world(opened: OpenWorld, company: Company) -> AsyncIterator[World]:
    """Talkdesk users are found by e-mail."""
    async with opened(realm=company, settings=company.settings, config=config()) as world:
        yield world
