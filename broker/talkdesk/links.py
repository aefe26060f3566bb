"""The allow-list: which links of Talkdesk's may be called, or given to a browser (docs/security.md).

Owns: the rules for a link. A link is data from outside: an event names the hosts that get client assertions and codes.
Leaves to others: when to ask. The intake asks before it keeps a link, the adapters again before each call, so that a host
that was taken off the list is not called any more.

A link is matched as a whole against a narrow pattern instead of being parsed: httpx, a browser and `urllib` disagree about
backslashes, `@`, `%2e`, line breaks and letters beyond ASCII, and whoever finds such a spot chooses the host.
Ports are free: the list says whose server it is, and its certificate proves that on every port.
"""

import ipaddress
import re
from dataclasses import dataclass

from broker.errors import LinkRefused

MAX_LINK_LENGTH = 2048

_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# Visible ASCII but quotes, angle brackets, backslash and the like, which no URL needs unescaped. No fragment.
_TAIL = r"[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*"
_LINK = re.compile(
    rf"(?P<scheme>https?)://(?P<host>{_LABEL}(?:\.{_LABEL})*)(?::(?P<port>[0-9]{{1,5}}))?(?P<tail>(?:[/?]{_TAIL})?)",
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True)
class Hosts:
    """The hosts that the operator trusts to be Talkdesk's; without port, in lower case."""

    gateways: frozenset[str]
    """API gateways: event keys come from there, so these are exact names."""
    others: frozenset[str]
    """All others; `*.example.com` stands for every name below `example.com`, never for `example.com` itself."""
    is_insecure: bool = False
    """Also loopback, there also by http: for a stand-in on the same machine."""

    @property
    def gateway_roots(self) -> tuple[str, ...]:
        """Root of every listed gateway, in a fixed order."""
        return tuple(f"https://{host}" for host in sorted(self.gateways))

    def check_gateway(self, url: str) -> str:
        """The gateway's origin. Raises LinkRefused.

        A path or query would choose *what* at the gateway is taken for a key: some other endpoint might repeat what an attacker said.
        """
        link = _match(url)
        host = link["host"].lower()
        if link["tail"] not in ("", "/"):
            raise LinkRefused(f"{host}: the root of a gateway has no path")
        if not self._is_safe_loopback(host) and not (link["scheme"].lower() == "https" and host in self.gateways):
            raise LinkRefused(f"{host}: not a listed gateway over https")
        port = f":{link['port']}" if link["port"] else ""
        return f"{link['scheme'].lower()}://{host}{port}"

    def check(self, url: str) -> str:
        """The link as it came: a token endpoint's is the audience of client assertions, to the letter. Raises LinkRefused."""
        link = _match(url)
        host = link["host"].lower()
        if not self._is_safe_loopback(host) and not (link["scheme"].lower() == "https" and self._is_listed(host)):
            raise LinkRefused(f"{host}: not a listed host over https")
        return url

    def _is_listed(self, host: str) -> bool:
        if host in self.gateways or host in self.others:
            return True
        labels = host.split(".")
        return any(f"*.{'.'.join(labels[start:])}" in self.others for start in range(1, len(labels)))

    def _is_safe_loopback(self, host: str) -> bool:
        return self.is_insecure and _is_loopback(host)


def _match(url: str) -> re.Match[str]:
    link = _LINK.fullmatch(url) if len(url) <= MAX_LINK_LENGTH else None
    # The link itself may hold anything: it is in no message.
    if link is None or int(link["port"] or 443) not in range(1, 65536):
        raise LinkRefused("not a plain link")
    return link


def _is_loopback(host: str) -> bool:
    # Only the usual notation: "127.1" and "0x7f000001" are loopback to some resolvers and not to others.
    try:
        return ipaddress.IPv4Address(host).is_loopback
    except ValueError:
        return host == "localhost"
