"""The least that accepting an event can cost: verify a signature, commit one row, and again; in a process of its own.

    python -m benchmarks.bare_loop DATABASE_URL EVENTS

One connection of the database's own driver, as durable as the broker's; no HTTP, no parsing, no sealing, no index but the primary key.
Prints how many were done in a second.
"""

import secrets
import sqlite3
import sys
import time
from collections.abc import Callable

import psycopg
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA512
from sqlalchemy import make_url

_BODY_BYTES = 700


def main() -> None:
    """Entry point."""
    url, number = sys.argv[1:]
    commit = commit_on(url)
    key = ec.generate_private_key(ec.SECP256R1())
    bodies = [secrets.token_bytes(_BODY_BYTES) for _ in range(int(number))]
    signed = [(body, key.sign(body, ec.ECDSA(SHA512()))) for body in bodies]
    public = key.public_key()
    began = time.perf_counter()
    for body, signature in signed:
        public.verify(signature, body, ec.ECDSA(SHA512()))
        commit(secrets.token_hex(16), body)
    print(len(signed) / (time.perf_counter() - began))


def commit_on(url: str) -> Callable[[str, bytes], None]:
    """What commits a row by its name, on a connection of its own."""
    return _on_sqlite(url) if url.startswith("sqlite") else _on_postgresql(url)


def _on_sqlite(url: str) -> Callable[[str, bytes], None]:
    connection = sqlite3.connect(make_url(url).database or "", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("CREATE TABLE IF NOT EXISTS bare (id TEXT PRIMARY KEY, body BLOB)")

    def commit(name: str, body: bytes) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO bare VALUES (?, ?)", (name, body))
        connection.execute("COMMIT")

    return commit


def _on_postgresql(url: str) -> Callable[[str, bytes], None]:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    connection = psycopg.connect(plain)
    connection.execute("CREATE TABLE IF NOT EXISTS bare (id TEXT PRIMARY KEY, body BYTEA)")
    connection.commit()

    def commit(name: str, body: bytes) -> None:
        connection.execute("INSERT INTO bare VALUES (%s, %s)", (name, body))
        connection.commit()

    return commit


if __name__ == "__main__":
    main()
