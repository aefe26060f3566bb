"""Every part of the world at an https address of its own *site*, as in life: cookies obey their real rules only there.

One TLS terminator with a certificate of a test authority looks at the name that a browser asks for (SNI) and passes the bytes on to
the part that listens on loopback. Names end in `.test` (RFC 6761); Chromium and this process resolve them to loopback.
"""

import asyncio
import base64
import hashlib
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

NAMES = ("broker.test", "keycloak.test", "talkdesk.test", "wallboard.test", "notes.test")


class Sites:
    """The terminator; `url` of a name is known before anything listens behind it."""

    def __init__(self, folder: Path) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._backends: dict[str, int] = {}
        self._connections: set[asyncio.Task[None]] = set()
        authority = trustme.CA()
        certificate = authority.issue_cert(*NAMES)
        self.authority_file = folder / "authority.pem"
        authority.cert_pem.write_to_path(self.authority_file)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate.configure_cert(self._context)
        self._context.sni_callback = _remember_name
        self.client_context = ssl.create_default_context()
        authority.configure_trust(self.client_context)
        self.key_hash = _key_hash(certificate.cert_chain_pems[0].bytes())

    def url(self, name: str) -> str:
        """Base URL of a name."""
        return f"https://{name}:{self.port}"

    def pass_on(self, name: str, url: str) -> None:
        """What comes for `name` goes to the part that listens at `url`."""
        self._backends[name] = urlsplit(url).port or 80

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Listen until the end."""
        server = await asyncio.start_server(self._connected, sock=self._socket, ssl=self._context)
        try:
            yield
        finally:
            server.close()
            for task in self._connections:
                task.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            name = getattr(writer.get_extra_info("ssl_object"), "asked_name", None)
            backend_reader, backend_writer = await asyncio.open_connection("127.0.0.1", self._backends[name or ""])
            await asyncio.gather(_pump(reader, backend_writer), _pump(backend_reader, writer))
        except (KeyError, OSError):
            pass
        finally:
            self._connections.discard(task)
            writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, asyncio.IncompleteReadError):
        while piece := await reader.read(64 * 1024):
            writer.write(piece)
            await writer.drain()
    writer.close()


def _remember_name(connection: Any, name: str | None, _context: ssl.SSLContext) -> None:
    connection.asked_name = name


def _key_hash(pem: bytes) -> str:
    key = x509.load_pem_x509_certificate(pem).public_key()
    return base64.b64encode(
        hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    ).decode()


def resolve_test_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process names that end in `.test` are loopback, as Chromium's rules say too."""
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **named: Any) -> Any:
        text = host.decode() if isinstance(host, bytes) else host
        return real("127.0.0.1" if text and text.endswith(".test") else host, *arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
