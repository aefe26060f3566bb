"""Anything at all against every route: what a person, a program or an attacker could send, at a broker in a process of its own.

By names that the routes know, and by the bytes themselves: the routes take what comes as text and check it one by one, so a schema of theirs,
which is what schemathesis would go by, has nothing in it to send.
"""

import asyncio
import os
import random
import string
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

import httpx
import pytest

from broker.model.names import InstallationId, slug_of
from demo.talkdesk import ACME
from tests.crashes.surroundings import Surroundings
from tests.unit.test_docs import names_in, table

REQUESTS = int(os.environ.get("TEST_MUTATIONS", "5000")) // 2
"""On each of two databases."""
SENDERS = 16
# As with events: beyond this it is kept. Records of failures are in the database.
MOST_GROWTH = 32 * 1024 * 1024
METHODS = ("GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE")
NAMES = (
    *("talkdesk_installation_id", "talkdesk_user_id", "state", "code", "iss", "error", "error_description"),
    *(
        "client_id",
        "redirect_uri",
        "response_type",
        "response_mode",
        "scope",
        "nonce",
        "prompt",
        "request",
        "request_uri",
    ),
    *("code_challenge", "code_challenge_method", "talkdesk_proof", "grant_type", "code_verifier", "logout_token"),
    *("client_assertion", "client_assertion_type"),
)
COOKIES = ("__Host-tdp", "__Host-tdl", "__Host-tdr", "__Host-tdb-0000000000-abcdef", "__Host-tdb-zz", "a")
ODD = (
    *(
        "",
        " ",
        "\0",
        "\r\nX-Evil: 1",
        "'\"><script>alert(1)</script>",
        "{{7*7}}",
        "{app}",
        "%s%n",
        "../../etc/passwd",
        ".",
    ),
    *(
        "\u202e\u0000é",
        "ß" * 300,
        "𝕏",
        "\ud7ff",
        "NaN",
        "-1",
        "1e999",
        "true",
        "null",
        "[]",
        "None",
        "x" * 4001,
        "A" * 9000,
    ),
    *("eyJhbGciOiJub25lIn0.e30.", "eyJhbGciOiJSUzI1NiIsImtpZCI6IngifQ.e30.AA", "; drop table one_time; --"),
)
GOOD = (
    "code",
    "openid",
    "S256",
    "authorization_code",
    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    "x" * 43,
)
TYPES = (
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/json",
    "text/html",
    "",
    "\xff",
)


@dataclass(frozen=True)
class Sent:
    """One request."""

    method: str
    target: str
    headers: list[tuple[bytes, bytes]]
    body: bytes


def routes() -> list[tuple[str, str]]:
    """Method and path of every one that there is: the docs name them all, which is tested."""
    named = [name.split(" ") for row in table("operations.md", "route") for name in names_in(row[0])]
    return [(method, path) for method, path in named]


def requests_at(installation: str, chance: random.Random) -> Iterator[Sent]:
    """Endless."""
    slug, every = slug_of(InstallationId(installation)), routes()
    known = (installation, slug, f"talkdesk-{slug}", *GOOD)

    def value() -> str:
        match chance.randrange(4):
            case 0:
                return chance.choice(known)
            case 1:
                return "".join(chance.choices(string.printable, k=chance.randrange(40)))
            case _:
                return chance.choice(ODD)

    def pairs(names: tuple[str, ...], most: int) -> list[tuple[str, str]]:
        return [(chance.choice(names), value()) for _ in range(chance.randrange(most))]

    def encoded(names: tuple[str, ...]) -> str:
        return "&".join(
            f"{name}={quote(text, safe='' if chance.random() < 0.9 else '/:=;')}" for name, text in pairs(names, 8)
        )

    while True:
        method, path = chance.choice(every)
        for part in ("{slug}", "{installation}"):
            path = path.replace(part, slug if chance.random() < 0.7 else quote(value(), safe=""))
        cookies = "; ".join(f"{name}={quote(text, safe=' ,<>')}" for name, text in pairs(COOKIES, 5))
        headers = {
            "Cookie": cookies,
            "Accept-Language": value()[:200],
            "Sec-Fetch-Dest": chance.choice(("document", "iframe", "", "x")),
            "X-Forwarded-Host": value()[:200],
            "X-Request-Id": value()[:200],
            "Content-Type": chance.choice(TYPES),
        }
        plain = [(name.encode(), _header(text)) for name, text in headers.items() if chance.random() < 0.6]
        body = encoded(NAMES).encode() if chance.random() < 0.5 else chance.randbytes(chance.randrange(200))
        is_good = path == "/talkdesk/launch" and chance.random() < 0.5
        query = f"talkdesk_installation_id={installation}" if is_good else encoded(NAMES)
        yield Sent(method if chance.random() < 0.85 else chance.choice(METHODS), f"{path}?{query}", plain, body)


def _header(text: str) -> bytes:
    return "".join(char for char in text if char.isprintable()).strip().encode("utf-8")


def wrong_with(answer: httpx.Response) -> str | None:
    """What must not be: a fault of ours, or an answer without the headers that keep it where it belongs."""
    if answer.status_code >= 500:
        return "a 5xx"
    expected = {"referrer-policy": "no-referrer", "x-content-type-options": "nosniff", "cache-control": "no-store"}
    if answer.status_code == 200 and answer.headers["content-type"] == "application/json":
        del expected["cache-control"]  # keys and discovery may be kept
    for name, value in expected.items():
        if answer.headers.get(name) != value:
            return f"{name}: {answer.headers.get(name)}"
    policy = answer.headers.get("content-security-policy", "")
    if "default-src 'none'" not in policy:
        return f"its policy: {policy}"
    if (
        "frame-ancestors 'none'" not in policy
        and "Open in a new tab" not in answer.text
        and "_blank" not in answer.text
    ):
        return "it can be framed"
    if "<script>alert" in answer.text:
        return "it has somebody's script in it"
    return "a header of somebody's" if "x-evil" in answer.headers else None


@pytest.mark.timeout(240 + REQUESTS // 20)
async def test_no_route_breaks(around: Surroundings, capsys: pytest.CaptureFixture[str]) -> None:
    """No 5xx, every page as safe as it has to be, no complaint in the log, no memory kept."""
    seed = random.randrange(2**32)
    broker = around.broker()
    await broker.start()
    installation = await around.talkdesk.install(ACME, around.talkdesk.app("Wallboard"))
    await around.talkdesk.until_answered(installation, seconds=60)
    requests = requests_at(installation.id, random.Random(seed))
    statuses: Counter[int] = Counter()
    wrong: list[str] = []

    async def send(number: int) -> None:
        left = iter(range(number))

        async def sender() -> None:
            async with httpx.AsyncClient(base_url=broker.url, trust_env=False, timeout=30) as client:
                for _ in left:
                    sent = next(requests)
                    answer = await client.request(sent.method, sent.target, headers=sent.headers, content=sent.body)
                    statuses[answer.status_code] += 1
                    if what := wrong_with(answer):
                        wrong.append(f"{what}: {answer.status_code} {answer.text[:300]} for {sent}")

        await asyncio.gather(*(sender() for _ in range(SENDERS)))

    await send(REQUESTS // 5)
    before = broker.resident_bytes
    await send(REQUESTS - REQUESTS // 5)
    growth = broker.resident_bytes - before
    with capsys.disabled():
        print(f"\n{REQUESTS} requests (seed {seed}): {dict(statuses)}, {growth / 2**20:+.1f} MiB")
    assert not wrong, f"seed {seed}: {len(wrong)} of {REQUESTS}: {wrong[:3]}"
    # That somebody should look at so many failures is no complaint: it is what is to be said of them.
    assert {each.get("event") for each in broker.complaints()} <= {"sign-ons fail in a row"}, f"seed {seed}"
    assert growth < MOST_GROWTH, f"seed {seed}"
    assert {200, 400, 401, 403, 404, 405} <= statuses.keys(), "a kind of answer is missing"
