"""From the event `app.installed`, accepted, to Talkdesk's record that the app approved; beside the bare calls that this needs.

The same Keycloak and Talkdesk; the broker and the bare calls (`benchmarks.bare_provisioning`), each in a process of its own, take turns. The bare
calls are those that the broker makes, one after the other: create the identity provider disabled, add its mapper, enable it, fetch Talkdesk's
token, approve.
"""

import asyncio
import json
import statistics
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import uvloop
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from joserfc import jwt
from joserfc.jwk import ECKey

from benchmarks.chain import Chain, open_chain
from benchmarks.databases import Backend
from benchmarks.result import Result
from broker.converge.merge import setting_up, writable
from broker.talkdesk.apps import ANSWER
from demo.http_client import http_client
from demo.talkdesk import Installation, InstallationState
from demo.talkdesk.client_assertion import ASSERTION_TYPE
from demo.talkdesk.keys import new_id
from tests.kept_data import KeptData

ROUNDS = 40
WARMING_UP = 10
MOST_RATIO = 1.5

BROKER, BARE = "broker", "bare calls"


def measure(backend: Backend) -> Iterator[Result]:
    """Both, and their ratio."""
    with backend.new_database() as (data, folder), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        took = runner.run(_take_turns(backend, data, folder))
    broker, bare = (statistics.median(took[way]) for way in (BROKER, BARE))
    yield Result(backend.name, "installation provisioned, from accepted to approved: median", broker * 1000, "ms")
    yield Result(backend.name, "  p90", statistics.quantiles(took[BROKER], n=10)[8] * 1000, "ms")
    yield Result(backend.name, "  the bare calls to Keycloak and Talkdesk: median", bare * 1000, "ms")
    yield Result(backend.name, "  ratio", broker / bare, "", at_most=MOST_RATIO)


async def _take_turns(backend: Backend, data: KeptData, folder: Path) -> Mapping[str, Sequence[float]]:
    took: dict[str, list[float]] = {BROKER: [], BARE: []}
    async with open_chain(backend, data, folder) as chain:
        bare = await BareCalls.start(chain, await chain.install())
        try:
            for number in range(2 * (WARMING_UP + ROUNDS)):
                name, seconds = (BROKER, _by_broker(chain)) if number % 2 else (BARE, bare.provision())
                if number < 2 * WARMING_UP:
                    await seconds
                else:
                    took[name].append(await seconds)
        finally:
            await bare.stop()
    return took


async def _by_broker(chain: Chain) -> float:
    """Seconds from when Talkdesk has the answer to its event."""
    installation = await chain.talkdesk.install(chain.account, chain.talkdesk.app("Wallboard"))
    began = time.perf_counter()
    await chain.talkdesk.until_answered(installation, seconds=60)
    return time.perf_counter() - began


@dataclass(frozen=True)
class BareCalls:
    """The process that makes them, and what the broker made for an installation, which they make for others."""

    chain: Chain
    process: Process
    model: Installation
    provider: dict[str, Any]
    mapper: dict[str, Any]

    @classmethod
    async def start(cls, chain: Chain, model: Installation) -> "BareCalls":
        """`model` is provisioned."""
        async with chain.keycloak.admin() as admin:
            path = f"identity-provider/instances/talkdesk-{model.id}"
            provider = writable((await admin.get(path)).raise_for_status().json())
            (mapper,) = (await admin.get(f"{path}/mappers")).raise_for_status().json()
        del mapper["id"]
        command = (sys.executable, "-m", "benchmarks.bare_provisioning")
        process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
        return cls(chain, process, model, provider, mapper)

    async def provision(self) -> float:
        """Seconds for an installation whose event nobody else hears of."""
        app = self.chain.talkdesk.app("Wallboard")
        installation = await self.chain.talkdesk.install(self.chain.account, app, deliver=False)
        asked = {
            "admin_token": await self._admin_token(),
            "keycloak": self._calls_to_keycloak(installation),
            "token_url": self.chain.talkdesk.state.addresses.token(installation.account),
            "token_form": self._token_form(installation),
            "answer_url": f"{self.chain.talkdesk.url}/apps/{app.id}/installations/{installation.id}/state",
        }
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(asked).encode() + b"\n")
        took = float(await self.process.stdout.readline())
        assert installation.state is InstallationState.APPROVED
        return took

    async def stop(self) -> None:
        """End the process."""
        self.process.kill()
        await self.process.wait()

    def _calls_to_keycloak(self, installation: Installation) -> list[tuple[str, str, dict[str, Any]]]:
        provider, mapper = (_of(installation, self.model, each) for each in (self.provider, self.mapper))
        path = f"{self.chain.keycloak.admin_url}/identity-provider/instances"
        return [
            ("POST", path, setting_up(provider)),
            ("POST", f"{path}/{provider['alias']}/mappers", mapper),
            ("PUT", f"{path}/{provider['alias']}", provider),
        ]

    async def _admin_token(self) -> str:
        """Of the broker's own service account."""
        async with http_client() as client:
            answer = await client.post(
                f"{self.chain.keycloak.realm_url}/protocol/openid-connect/token",
                data={"grant_type": "client_credentials"},
                auth=("talkdesk-broker", self.chain.keycloak.broker_secret),
            )
        return str(answer.raise_for_status().json()["access_token"])

    def _token_form(self, installation: Installation) -> dict[str, str]:
        credentials, now = installation.current.credentials, int(time.time())
        claims = {
            "iss": credentials.client_id,
            "sub": credentials.client_id,
            "aud": self.chain.talkdesk.state.addresses.token(installation.account),
            "jti": new_id(),
            "iat": now,
            "exp": now + 60,
        }
        algorithm = credentials.key_algorithm
        key = ECKey.import_key(cast(EllipticCurvePrivateKey, credentials.private_key))
        header = {"alg": algorithm, "kid": credentials.key_id}
        return {
            "grant_type": "client_credentials",
            "scope": ANSWER,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": jwt.encode(header, claims, key, algorithms=[algorithm]),
        }


def _of(installation: Installation, model: Installation, made: dict[str, Any]) -> dict[str, Any]:
    """What was made for one installation, for another: all names in it come from the id."""
    other: dict[str, Any] = json.loads(json.dumps(made).replace(model.id, installation.id))
    return other
