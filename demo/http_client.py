"""The one place that makes the demo's HTTP clients."""

import ssl
from functools import cache

import httpx


@cache
def default_tls() -> ssl.SSLContext:
    """Certificate authorities of the environment; read once, as that takes longer than most tests."""
    return httpx.create_ssl_context()


def http_client(
    *, tls: ssl.SSLContext | None = None, trust_env: bool = False, seconds: float = 30
) -> httpx.AsyncClient:
    """Follows no redirects and, unless told so, knows no proxy."""
    return httpx.AsyncClient(verify=tls or default_tls(), trust_env=trust_env, timeout=seconds, follow_redirects=False)
