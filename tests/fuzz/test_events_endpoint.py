"""Mutated bodies and headers against `POST /talkdesk/events`, at a broker in a process of its own."""

import asyncio
import json
import os
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from demo.talkdesk import ACME, ANA, StandIn
from demo.talkdesk.keys import new_id
from tests.crashes.surroundings import Surroundings
from tests.fuzz.mutation import changed_bytes, changed_content, changed_head
from tests.processes import BrokerProcess
from tests.raw_http import RawAnswer, RawConnection, post

MUTATIONS = int(os.environ.get("TEST_MUTATIONS", "5000")) // 2
"""On each of two databases."""
SENDERS = 16
PATH = "/talkdesk/events"
# Growth after the first fifth, in which caches fill and the allocator finds its size. Sixteen bodies of 256 KiB under way, read and
# parsed, are 16 MiB at most; what is beyond twice that has been kept. In 100,000 requests this finds a leak of 400 bytes each.
MOST_GROWTH = 32 * 1024 * 1024


@dataclass
class Answers:
    """What came back."""

    statuses: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def take(self, request: bytes, answer: RawAnswer | None) -> None:
        """Count it, and keep what must not be: no 5xx but the one that asks Talkdesk to come again with a key that can't be had now."""
        status = "none" if answer is None else str(answer.status)
        self.statuses[status] += 1
        if answer is None or answer.status < 500:
            return
        if answer.status != 503 or b'"key_unavailable"' not in answer.body:
            self.wrong.append(f"{status} {answer.body!r} for {request[:3000]!r}")


@pytest.mark.timeout(240 + MUTATIONS // 20)
async def test_nothing_breaks_it(around: Surroundings, capsys: pytest.CaptureFixture[str]) -> None:
    """No 5xx, nothing in the log but refusals, no memory kept, and a good event is taken afterwards."""
    seed = random.randrange(2**32)
    broker = around.broker()
    await broker.start()
    answers = Answers()
    requests = _requests(around.talkdesk, random.Random(seed))
    await _send(broker, requests, MUTATIONS // 5, answers)
    before = broker.resident_bytes
    await _send(broker, requests, MUTATIONS - MUTATIONS // 5, answers)
    growth = broker.resident_bytes - before
    with capsys.disabled():
        print(f"\n{MUTATIONS} mutations (seed {seed}): {dict(answers.statuses)}, {growth / 2**20:+.1f} MiB")
    assert not answers.wrong, f"seed {seed}"
    assert not broker.complaints(), f"seed {seed}"
    assert growth < MOST_GROWTH, f"seed {seed}"
    assert {"200", "202", "400", "401", "403", "413"} <= answers.statuses.keys(), "a kind of request is missing"
    installation = await around.talkdesk.install(ACME, around.talkdesk.app("Wallboard"))
    await around.talkdesk.until_answered(installation, seconds=60)


async def _send(broker: BrokerProcess, requests: Iterator[tuple[bytes, bool]], number: int, answers: Answers) -> None:
    left = iter(range(number))

    async def sender() -> None:
        connection = RawConnection(broker.port)
        for _ in left:
            request, is_last = next(requests)
            answers.take(request, await connection.send(request, is_last=is_last))
        connection.close()

    await asyncio.gather(*(sender() for _ in range(SENDERS)))


def _requests(talkdesk: StandIn, chance: random.Random) -> Iterator[tuple[bytes, bool]]:
    """Endless; with each whether it may leave the server waiting for more, so that nothing may follow it."""
    contents = [json.loads(each) for each in _good_bodies(talkdesk)]
    installation = new_id()
    while True:
        content = chance.choice(contents)
        content["id"] = new_id() if chance.random() < 0.9 else "the same again"
        # A hundred of each, not all of one: whatever was stated about an installation is folded whenever it is asked for.
        installation = new_id() if chance.random() < 0.01 else installation
        content["data"]["installation_id"] = installation
        body, signed = _body(content, chance)
        headers = talkdesk.courier.signature_headers(signed)
        if chance.random() < 0.02:
            headers["X-Hub-Ecdsa-Signature-Id"] = new_id()
        request = post(PATH, body, headers)
        is_damaged = chance.random() < 0.2
        yield (changed_head(request, chance) if is_damaged else request), is_damaged


def _body(content: dict[str, Any], chance: random.Random) -> tuple[bytes, bytes]:
    """What is sent, and what was signed: mostly the same, since what is behind the signature check is the larger part."""
    good = json.dumps(content).encode()
    match chance.randrange(20):
        case 0:
            return good, good
        case 1 | 2 | 3:
            return changed_bytes(good, chance), good
        case 4:
            big = good + b" " * chance.randrange(200_000, 300_000)
            return big, big
        case 5 | 6 | 7 | 8:
            changed = changed_bytes(good, chance)
            return changed, changed
        case _:
            changed = changed_content(content, chance)
            return changed, changed


def _good_bodies(talkdesk: StandIn) -> Iterator[bytes]:
    """One of each type."""
    app = talkdesk.app("Wallboard")
    known = {"installation_id": new_id(), "account_id": ACME.id, "account_name": ACME.name}
    credentials = {
        **{name: new_id() for name in ("client_id", "client_secret", "private_key", "public_key", "key_id")},
        "key_algorithm": "ES256",
    }
    links = {name: f"{talkdesk.url}/acme/oauth/{name}" for name in ("authorization", "token", "userinfo")}
    users = {
        "users": {"adding": [ANA.id], "removing": [new_id()]},
        "subscription": {"adding": {"name": "x", "licenses": 1}},
    }
    trial = {"expires_at": "2026-12-25T10:00:00Z", "ended_at": "2026-12-25T10:00:00Z", "ended_reason": "trial_expired"}
    bodies: Mapping[str, dict[str, Any]] = {
        "app.installed": credentials,
        "app.credentials_rotated": credentials,
        "app.updated": users,
        "app.uninstalled": {"reason": {"type": "app_uninstalled", "message": "Not needed"}},
        "app.trial_started": trial,
        "app.trial_extended": trial,
        "app.trial_ended": trial | {"ended_by": "system"},
        "user.logout": {"user_id": ANA.id, "user_email": ANA.email},
    }
    for kind, more in bodies.items():
        yield talkdesk.make_event(kind, app, known | more, links).body
