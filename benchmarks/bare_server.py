"""The least that a server for events can be: for each POST verify the signature, commit one row, answer 202; in a process of its own.

    python -m benchmarks.bare_server DATABASE_URL PUBLIC_KEY_HEX PORT

The broker's HTTP server and event loop, and the commit of `bare_loop` in threads as the broker has them; no framework, no parsing, no sealing,
no facts, no tasks, no log.
"""

import asyncio
import secrets
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA512
from cryptography.hazmat.primitives.serialization import load_der_public_key
from starlette.types import Receive, Scope, Send

from benchmarks.bare_loop import commit_on
from broker.storage.postgresql import CONNECTIONS


class _BareServer:
    """An ASGI application."""

    def __init__(self, url: str, public: ec.EllipticCurvePublicKey) -> None:
        self._public = public
        self._url = url
        self._threads = ThreadPoolExecutor(1 if url.startswith("sqlite") else CONNECTIONS)
        self._of_thread = threading.local()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        signature = bytes.fromhex(dict(scope["headers"]).get(b"x-hub-ecdsa-signature", b"").decode())
        if signature:  # without one it is asked whether it is there
            self._public.verify(signature, body, ec.ECDSA(SHA512()))
            await asyncio.get_running_loop().run_in_executor(self._threads, self._commit, body)
        await send({"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    def _commit(self, body: bytes) -> None:
        commit: Callable[[str, bytes], None] | None = getattr(self._of_thread, "commit", None)
        if commit is None:
            commit = self._of_thread.commit = commit_on(self._url)
        commit(secrets.token_hex(16), body)


def main() -> None:
    """Entry point."""
    url, key, port = sys.argv[1:]
    public = load_der_public_key(bytes.fromhex(key))
    assert isinstance(public, ec.EllipticCurvePublicKey)
    commit_on(url)  # makes the table, before several would at once
    uvicorn.run(
        _BareServer(url, public), port=int(port), loop="uvloop", http="httptools", lifespan="off", log_level="critical"
    )


if __name__ == "__main__":
    main()
