"""Lines of `broker check` about what is ours: the configuration file, and the address under which browsers find us."""

import json
from dataclasses import dataclass

import httpx

from broker.check.finding import Finding, ok, warning, wrong
from broker.issuer.keys import SigningKeys
from broker.outbound import fetch
from broker.ports import IssuerKeys
from broker.settings import ConfigFile, Settings


def configuration(settings: Settings, config: ConfigFile) -> Finding:
    """It names apps, and whom people can ask."""
    counts = f"{len(config.apps)} apps, {len(config.accounts)} accounts, {len(config.relays)} relays"
    if not config.apps:
        return warning("configuration file", counts, "name your apps in it: events of all others are refused")
    if settings.accounts == "listed" and not config.accounts:
        return warning(
            "configuration file", counts, "name accounts in it: with ACCOUNTS=listed only those may use the apps"
        )
    mute = [app.name for app in config.apps if not (app.support.email or app.support.url or app.support.phone)]
    if mute:
        found = f"no support contact: {', '.join(mute)}"
        return warning("configuration file", found, "say in `support` whom people can ask: error pages show it")
    return ok("configuration file", counts)


@dataclass(frozen=True)
class PublicAddress:
    """Whether PUBLIC_URL leads to a broker on this database."""

    public_url: str
    keys: IssuerKeys
    client: httpx.AsyncClient

    async def line(self) -> Finding:
        """Our own keys come back from there."""
        url = f"{self.public_url}/oidc/jwks"
        mend = "start `broker serve`; mend PUBLIC_URL, DNS, or the proxy in front"
        try:
            answer = await fetch(self.client, self.client.build_request("GET", url))
        except httpx.HTTPError as error:
            return warning("public address", f"{url}: no answer from here ({type(error).__name__})", mend)
        if answer.status != 200:
            return wrong("public address", f"{url} answered {answer.status}", mend)
        stored = await self.keys.all()
        ours = SigningKeys(stored).public_set() if stored else None
        try:
            is_ours = json.loads(answer.body) == ours
        except ValueError:
            is_ours = False
        if not is_ours:
            found = f"{url} has other keys than this database"
            return wrong("public address", found, "PUBLIC_URL must lead to the broker on this database")
        return ok("public address", self.public_url)
