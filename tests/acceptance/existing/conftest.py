"""A real Keycloak's realm that somebody else owns: unique e-mail addresses, log-in by them, a password form."""

import uuid
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.keycloak_server import AdminToken, RunningKeycloak, realm_with_values
from tests.company import PASSWORD, USER_ID_ATTRIBUTE, Company, config
from tests.world import OpenWorld, World

REALM_FILE = Path(__file__).parents[3] / "realm-config" / "existing-realm.json"
GROUP = "agents"
ATTRIBUTE = {
    "name": USER_ID_ATTRIBUTE,
    "permissions": {"view": ["admin"], "edit": ["admin"]},  # who could write it could be somebody else
    "multivalued": False,
}
FLAGS = ("registrationEmailAsUsername", "loginWithEmailAllowed", "duplicateEmailsAllowed")


@dataclass(frozen=True)
class RealCompany(RunningKeycloak):
    """A realm of a running Keycloak as a `Company`."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """As the port says."""
        return {"users": "existing", "accounts": "listed", "keycloak_realm": self.realm}

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
    """A realm from the file, with a group and an attribute of its own; making one takes longer than a test."""
    given = realm_with_values(REALM_FILE)
    name = f"company-{uuid.uuid4().hex}"
    secret_of = {client["clientId"]: client["secret"] for client in given["clients"]}
    login = (keycloak.url, keycloak.admin_username, keycloak.admin_password)
    company = RealCompany(*login, secret_of["talkdesk-broker"], secret_of["talkdesk-launch"], name)
    with httpx.Client(auth=AdminToken(*login), timeout=60, trust_env=False) as admin:
        realm = given | {"realm": name, "groups": [{"name": GROUP}]}
        admin.post(f"{keycloak.url}/admin/realms", json=realm).raise_for_status()
        profile_url = f"{company.admin_url}/users/profile"
        profile = admin.get(profile_url).raise_for_status().json()
        profile["attributes"].append(ATTRIBUTE)
        admin.put(profile_url, json=profile).raise_for_status()
        yield company
        admin.delete(company.admin_url).raise_for_status()


@pytest.fixture
async def company(new_company: RealCompany) -> AsyncIterator[RealCompany]:
    """The realm without users, as its file says."""
    yield new_company
    async with new_company.admin() as admin:
        for user in (await admin.get("users?max=1000")).raise_for_status().json():
            (await admin.delete(f"users/{user['id']}")).raise_for_status()
    await new_company.take_the_role_back()
    await new_company.change(**{name: realm_with_values(REALM_FILE).get(name, False) for name in FLAGS})


@pytest.fixture
async def world(opened: OpenWorld, company: Company) -> AsyncIterator[World]:
    """Talkdesk users are found by e-mail."""
    async with opened(realm=company, settings=company.settings, config=config()) as world:
        yield world
