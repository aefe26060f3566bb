"""Lines of `broker check` about Keycloak: its address, clock and version, our two clients there, and its way to us."""

from collections.abc import Sequence
from dataclasses import dataclass

from broker.check.clocks import KEYCLOAK_MOST, compare
from broker.check.finding import Finding, ok, warning, wrong
from broker.check.realm_plan import PlanRealm, realm_line
from broker.converge.realm.cautions import of_version
from broker.errors import KeycloakError
from broker.ports import Clock
from broker.realm.inspection import RealmInspection, ServiceAccount

NEEDED = frozenset({"manage-identity-providers"})
"""Roles in both modes."""
NEEDED_TO_MATCH = frozenset({"view-users"})
"""Beside those, where a Talkdesk user must be one of the realm's."""
NEEDED_TO_END = frozenset({"manage-users"})
"""And with END_FOREIGN_SESSIONS."""
_BROUGHT_ALONG = {"view-users": frozenset({"query-users", "query-groups"})}

_START = "start Keycloak, or mend KEYCLOAK_URL, KEYCLOAK_INTERNAL_URL, KEYCLOAK_REALM"
_APPLY = "`broker realm apply`, or realm-config/README.md"


@dataclass(frozen=True)
class KeycloakLines:
    """Looks at one realm."""

    realm: RealmInspection
    realm_url: str
    """The realm as the settings have it: the issuer that tokens must have."""
    matches_users: bool
    """Mode existing."""
    ends_foreign_sessions: bool
    launch_return: str
    broker_url: str
    """The broker as Keycloak reaches it."""
    slug: str | None
    """Of an installation with an issuer; None where there is none yet."""
    plan_realm: PlanRealm | None
    now: Clock

    async def all(self) -> Sequence[Finding]:
        """Every line; only the first one, where Keycloak can't be reached."""
        first = await self.address()
        if first.mend and not first.found.startswith("its issuer"):
            return [first]
        lines = [first, *await self.service_account(), await self.launch_client(), await self.launches()]
        return [*lines, await realm_line(self.plan_realm)]

    async def address(self) -> Finding:
        """The realm answers, and calls itself what we expect."""
        try:
            issuer = await self.realm.issuer()
        except KeycloakError as error:
            return wrong("Keycloak", str(error), _START)
        if issuer != self.realm_url:
            mend = (
                f"KEYCLOAK_URL must be Keycloak's own address for browsers (KC_HOSTNAME): {self.realm_url} is expected"
            )
            return wrong("Keycloak", f"its issuer is {issuer}", mend)
        return ok("Keycloak", issuer)

    async def service_account(self) -> Sequence[Finding]:
        """Our service account, and all that is seen with it."""
        try:
            account = await self.realm.service_account()
        except KeycloakError as error:
            mend = "mend KEYCLOAK_CLIENT_ID and KEYCLOAK_CLIENT_SECRET; the client needs a service account"
            return [wrong("service account", str(error), mend)]
        clock = compare("Keycloak's clock", "Keycloak's", account.issued_at, self.now(), KEYCLOAK_MOST)
        return [self.roles(account), clock, await self.version(), await self.way_to_us()]

    def roles(self, account: ServiceAccount) -> Finding:
        """The roles that are needed, and no others."""
        needed = NEEDED | (NEEDED_TO_MATCH if self.matches_users else frozenset())
        needed |= NEEDED_TO_END if self.ends_foreign_sessions else frozenset()
        missing = needed - account.roles
        if missing:
            found = f"its roles lack {', '.join(sorted(missing))}"
            return wrong("service account", found, f"give it that role of realm-management: {_APPLY}")
        brought = frozenset[str]().union(*(_BROUGHT_ALONG.get(role, frozenset()) for role in needed))
        if more := account.roles - needed - brought:
            found = f"it has more roles than it needs: {', '.join(sorted(more))}"
            return warning(
                "service account", found, "take them away in Keycloak's console: Clients, Service account roles"
            )
        return ok("service account", f"its roles: {', '.join(sorted(account.roles))}")

    async def version(self) -> Finding:
        """One that the broker was tried with, and none that is known to be broken."""
        mend = "docs/realm.md says which versions were tried"
        try:
            version = await self.realm.version()
        except KeycloakError as error:
            return warning("Keycloak's version", str(error), mend)
        if version is None:
            found = "the service account may not see it, as it should be"
            return warning("Keycloak's version", found, "look at the console's Server info, or at `broker realm plan`")
        for code, sentence in of_version(version):
            return (wrong if code == "keycloak_broken" else warning)(
                "Keycloak's version", sentence, f"upgrade Keycloak: {mend}"
            )
        return ok("Keycloak's version", version)

    async def way_to_us(self) -> Finding:
        """Keycloak reaches the broker, and finds there what we say is there."""
        path = f"{self.slug}/.well-known/openid-configuration" if self.slug else "jwks"
        url = f"{self.broker_url}/oidc/{path}"
        try:
            issuer = await self.realm.reads_of_us(url)
        except KeycloakError as error:
            return wrong("Keycloak reaches the broker", str(error), f"let the service account try: {_APPLY}")
        if issuer is None:
            mend = "start `broker serve`; mend INTERNAL_URL, the network, or what certificates Keycloak trusts"
            return wrong("Keycloak reaches the broker", f"Keycloak could not read {url}", mend)
        if self.slug and not issuer.endswith(f"/oidc/{self.slug}"):
            mend = "INTERNAL_URL must lead to this broker, with nothing in between that answers in its place"
            return wrong("Keycloak reaches the broker", f"at {url} somebody else answers", mend)
        return ok("Keycloak reaches the broker", url)

    async def launch_client(self) -> Finding:
        """Its id and secret are right."""
        try:
            is_right = await self.realm.knows_launch_secret()
        except KeycloakError as error:
            return wrong("launch client", str(error), _START)
        if not is_right:
            mend = "mend KEYCLOAK_LAUNCH_CLIENT_ID and KEYCLOAK_LAUNCH_CLIENT_SECRET"
            return wrong("launch client", "Keycloak does not take its id and secret", mend)
        return ok("launch client", "Keycloak takes its id and secret")

    async def launches(self) -> Finding:
        """They may come back to us."""
        try:
            may = await self.realm.lets_launches_return(self.launch_return)
        except KeycloakError as error:
            return wrong("launches", str(error), _START)
        if not may:
            mend = f"the client for launches needs the standard flow and this redirect URI: {_APPLY}"
            return wrong("launches", f"Keycloak does not send browsers back to {self.launch_return}", mend)
        return ok("launches", f"they come back to {self.launch_return}")
