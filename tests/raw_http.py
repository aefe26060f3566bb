"""HTTP/1.1 as bytes on a socket: for requests that no client library would send, and for a load that costs its sender nothing.

Owns: one connection, kept as long as the server keeps it; status, headers and body of an answer. Leaves to others: what is sent.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class RawAnswer:
    """An answer, as far as these tests look."""

    status: int
    body: bytes


def post(path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """A well-formed POST."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


class RawConnection:
    """Sends requests one after the other, on a new connection where the server closed the former."""

    def __init__(self, port: int) -> None:
        """On loopback; connects when it is first used."""
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, request: bytes, *, is_last: bool = False) -> RawAnswer | None:
        """The answer; None where the server closed the connection without one. `is_last`: nothing more is sent after it."""
        reader, writer = self._streams or await asyncio.open_connection("127.0.0.1", self._port)
        self._streams = reader, writer
        try:
            writer.write(request)
            if is_last:
                writer.write_eof()
            answer, is_kept = await _read(reader)
        except (OSError, EOFError):
            answer, is_kept = None, False
        if is_last or not is_kept:
            self.close()
        return answer

    def close(self) -> None:
        """Harmless when it is closed."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _read(reader: asyncio.StreamReader) -> tuple[RawAnswer, bool]:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length, is_kept = 0, b"\r\nconnection: close" not in head
    at = head.find(b"\r\ncontent-length:")
    if at >= 0:
        length = int(head[at + 17 : head.index(b"\r\n", at + 2)])
    elif b"\r\ntransfer-encoding:" in head:
        raise EOFError("an answer in pieces")
    return RawAnswer(int(head[9:12]), await reader.readexactly(length)), is_kept
