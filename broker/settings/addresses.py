"""What an address in a setting must look like."""

import ipaddress
from urllib.parse import urlsplit

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def networks_of(text: str) -> tuple[Network, ...]:
    """Addresses and networks, separated by commas. Raises ValueError."""
    try:
        return tuple(ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError:
        raise ValueError("IP addresses or networks (10.0.0.0/24), separated by commas") from None


def is_loopback(url: str) -> bool:
    """Whether the URL's host is `localhost` or a loopback address."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_https(url: str, *, may_be_plain: bool) -> bool:
    """Whether it is an https URL without fragment, or, where it may be plain, http at a loopback address."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    is_safe = parts.scheme == "https" or (may_be_plain and parts.scheme == "http" and is_loopback(url))
    return is_safe and bool(parts.hostname) and not parts.fragment
