"""An enterprise's realm on a real Keycloak, and everything in it that is not the broker's: it has to be the same afterwards."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from tests.company import USER_ID_ATTRIBUTE

ENTRA, OKTA = "entra", "okta"
"""Identity providers that were there before us."""
INTRANET = "intranet"

_ATTRIBUTE = {
    "name": USER_ID_ATTRIBUTE,
    "permissions": {"view": ["admin"], "edit": ["admin"]},  # who could write it could be somebody else
    "multivalued": False,
}
_OURS = "talkdesk"
"""What is ours is named so; `realm plan` says what that is."""


def enterprise(admin: httpx.Client, realms_url: str, realm: Mapping[str, Any]) -> None:
    """Make it: flows, identity providers, a client, a scope, a role and an attribute of its own."""
    admin.post(realms_url, json={**realm, "enabled": True, "displayName": "Company"}).raise_for_status()
    for copied, name in (("browser", "company browser"), ("first broker login", "company first login")):
        path = f"authentication/flows/{quote(copied)}/copy"
        admin.post(path, json={"newName": name}).raise_for_status()
    admin.put(
        "", json={"browserFlow": "company browser", "firstBrokerLoginFlow": "company first login"}
    ).raise_for_status()
    for provider in (_entra(), _okta()):
        admin.post("identity-provider/instances", json=provider).raise_for_status()
    mapper = {
        "name": "department",
        "identityProviderAlias": ENTRA,
        "identityProviderMapper": "oidc-user-attribute-idp-mapper",
        "config": {"claim": "department", "user.attribute": "department", "syncMode": "INHERIT"},
    }
    admin.post(f"identity-provider/instances/{ENTRA}/mappers", json=mapper).raise_for_status()
    admin.post("client-scopes", json={"name": "company", "protocol": "openid-connect"}).raise_for_status()
    admin.post("roles", json={"name": "employee"}).raise_for_status()
    client = {"clientId": INTRANET, "secret": "of the intranet", "redirectUris": ["https://intranet.example/*"]}
    admin.post("clients", json=client).raise_for_status()
    profile = admin.get("users/profile").raise_for_status().json()
    profile["attributes"].append(_ATTRIBUTE)
    admin.put("users/profile", json=profile).raise_for_status()


def foreign_parts(admin: httpx.Client) -> Mapping[str, Any]:
    """Everything of the realm that is not the broker's, by what it is: the named set. Users are asked for one by one."""

    def get(path: str, **query: str) -> Any:
        return admin.get(path, params=query).raise_for_status().json()

    flows = [flow["alias"] for flow in get("authentication/flows") if not flow["alias"].startswith(_OURS)]
    providers = [each["alias"] for each in get("identity-provider/instances") if not each["alias"].startswith(_OURS)]
    return {
        "settings": {name: value for name, value in get("").items() if not name.startswith("identityProvider")},
        "flows": {alias: get(f"authentication/flows/{quote(alias)}/executions") for alias in flows},
        "required actions": get("authentication/required-actions"),
        "client scopes": _others(get("client-scopes"), "name"),
        "default client scopes": _others(get("default-default-client-scopes"), "name"),
        "optional client scopes": _others(get("default-optional-client-scopes"), "name"),
        "clients": _others(get("clients"), "clientId"),
        "identity providers": {alias: get(f"identity-provider/instances/{alias}") for alias in providers},
        "mappers": {alias: get(f"identity-provider/instances/{alias}/mappers") for alias in providers},
        "roles": _others(get("roles", briefRepresentation="false"), "name"),
        "groups": get("groups"),
        "components": {each["id"]: each for each in get("components")},
        "user profile": get("users/profile"),
        "languages": get("localization"),
    }


def _others(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return {each[name]: each for each in entries if not each[name].startswith(_OURS)}


def _entra() -> dict[str, Any]:
    urls = {name: f"https://login.example/{name}" for name in ("authorizationUrl", "tokenUrl", "jwksUrl")}
    return {
        "alias": ENTRA,
        "displayName": "Entra",
        "providerId": "oidc",
        "enabled": True,
        "firstBrokerLoginFlowAlias": "company first login",
        "config": {"clientId": "company", "clientSecret": "of Entra", "issuer": "https://login.example", **urls},
    }


def _okta() -> dict[str, Any]:
    config = {"singleSignOnServiceUrl": "https://okta.example/sso", "idpEntityId": "okta", "entityId": "company"}
    return {"alias": OKTA, "displayName": "Okta", "providerId": "saml", "enabled": False, "config": config}
