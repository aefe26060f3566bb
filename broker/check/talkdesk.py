"""Lines of `broker check` about Talkdesk: whether the allow-list can be found, and its clock. No credentials are used."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass

import httpx

from broker.check.clocks import TALKDESK_MOST, compare
from broker.check.finding import Finding, ok, warning
from broker.outbound import date_of, fetch
from broker.ports import Clock

Resolve = Callable[[str], Awaitable[bool]]
"""Whether a host name has an address."""
_WITHIN_S = 5.0
_MOST_NAMED = 5
_WAY_OUT = "DNS, the way out of this machine (HTTPS_PROXY), or TALKDESK_GATEWAYS and TALKDESK_HOSTS"


@dataclass(frozen=True)
class TalkdeskLines:
    """Looks at the hosts that count as Talkdesk's."""

    gateways: Collection[str]
    """Roots of the gateways."""
    hosts: Collection[str]
    """All listed names; those with `*.` stand for many, and can't be found."""
    resolve: Resolve
    client: httpx.AsyncClient
    now: Clock

    async def all(self) -> Sequence[Finding]:
        """Every line."""
        return await asyncio.gather(self.addresses(), self.clock())

    async def addresses(self) -> Finding:
        """Every exact name of the allow-list has an address."""
        names = sorted(host for host in self.hosts if not host.startswith("*."))
        found = await asyncio.gather(*(self.resolve(name) for name in names))
        lost = [name for name, is_found in zip(names, found, strict=True) if not is_found]
        if lost:
            more = f" and {len(lost) - _MOST_NAMED} more" if len(lost) > _MOST_NAMED else ""
            text = f"no address for {', '.join(lost[:_MOST_NAMED])}{more}"
            return warning("Talkdesk's hosts", text, _WAY_OUT)
        return ok("Talkdesk's hosts", f"{len(names)} of the allow-list have addresses")

    async def clock(self) -> Finding:
        """The first gateway that says what time it is."""
        for root in sorted(self.gateways):
            try:
                answer = await fetch(self.client, self.client.build_request("GET", f"{root}/"), within_s=_WITHIN_S)
            except httpx.HTTPError:
                continue
            theirs = date_of(answer.headers)
            if theirs is not None:
                return compare("Talkdesk's clock", "Talkdesk's", theirs, self.now(), TALKDESK_MOST)
        return warning("Talkdesk's clock", "no gateway could be asked", _WAY_OUT)


async def resolve(host: str) -> bool:
    """By the system's resolver."""
    try:
        async with asyncio.timeout(_WITHIN_S):
            await asyncio.get_running_loop().getaddrinfo(host, 443)
    except (OSError, TimeoutError, UnicodeError):
        return False
    return True
