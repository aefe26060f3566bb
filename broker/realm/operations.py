"""What a request to Keycloak is for, by its method and path: for metrics, so that no alias and no realm is in a name."""

import re

_ADMIN = re.compile(r"/admin/realms/[^/]+/identity-provider/instances(?:/[^/]+)?(?P<mappers>/mappers(?:/[^/]+)?)?")
_USERS = re.compile(r"/admin/realms/[^/]+/users(?:/[^/]+(?P<links>/federated-identity))?$")
_SESSIONS = re.compile(r"/admin/realms/[^/]+/sessions/[^/]+$")
_ENDPOINTS = {
    "/protocol/openid-connect/token": "token",
    "/protocol/openid-connect/certs": "realm keys",
    "/protocol/openid-connect/logout/backchannel-logout": "back-channel logout",
}
_VERBS = {"GET": "read", "POST": "create", "PUT": "replace", "DELETE": "delete"}


def operation_of(method: str, path: str) -> str:
    """Name of the operation; `other` where it is none that we know."""
    for end, name in _ENDPOINTS.items():
        if path.endswith(end):
            return name
    if method == "GET" and (users := _USERS.search(path)):
        return "read links" if users["links"] else "find users"
    if method == "DELETE" and _SESSIONS.search(path):
        return "end session"
    admin = _ADMIN.search(path)
    if admin is None or method not in _VERBS:
        return "other"
    return f"{_VERBS[method]} {'mapper' if admin['mappers'] else 'identity provider'}"
