"""From the click in Talkdesk to the app that shows who is signed in, beside the same chain with a minimal issuer in the broker's place.

One Keycloak, one Talkdesk, one app and one browser; broker and minimal issuer (`benchmarks.minimal_issuer`), each a process of its own, take
turns, so that whatever else the machine does falls on both. Each launch is a whole sign-on of a person whom Keycloak knows: no session anywhere
but Talkdesk's.
"""

import asyncio
import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import uvloop
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from benchmarks.chain import Chain, open_chain
from benchmarks.databases import Backend
from benchmarks.minimal_issuer import Settings
from benchmarks.result import Result
from broker.converge.merge import writable
from demo.browser import Browser
from demo.talkdesk import Installation
from demo.talkdesk.keys import new_id
from tests.kept_data import KeptData
from tests.processes import BrokerProcess

ROUNDS = 60
WARMING_UP = 40
MOST_RATIO = 1.25

BROKER, MINIMAL = "broker", "minimal issuer"


def measure(backend: Backend) -> Iterator[Result]:
    """Both, and their ratio."""
    with backend.new_database() as (data, folder), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        took = runner.run(_measure(backend, data, folder))
    broker, minimal = (statistics.median(took[way]) for way in (BROKER, MINIMAL))
    yield Result(backend.name, "launch until signed in at the app: median", broker * 1000, "ms")
    yield Result(backend.name, "  p90", statistics.quantiles(took[BROKER], n=10)[8] * 1000, "ms")
    yield Result(backend.name, "  with a minimal issuer in the broker's place: median", minimal * 1000, "ms")
    yield Result(backend.name, "  ratio", broker / minimal, "", at_most=MOST_RATIO)


async def _measure(backend: Backend, data: KeptData, folder: Path) -> Mapping[str, Sequence[float]]:
    async with open_chain(backend, data, folder) as chain:
        installation = await chain.install()
        file = folder / "minimal.json"
        minimal = BrokerProcess(
            {"MINIMAL_ISSUER": str(file)}, folder / "minimal.log", module="benchmarks.minimal_issuer"
        )
        try:
            other = await _put_in_place(chain, installation, minimal, file)
            return await _take_turns(chain, {BROKER: installation, MINIMAL: other})
        finally:
            minimal.kill()


async def _take_turns(chain: Chain, ways: Mapping[str, Installation]) -> Mapping[str, Sequence[float]]:
    took: dict[str, list[float]] = {name: [] for name in ways}
    user = chain.account.users[0]
    async with Browser() as browser:
        for number in range(WARMING_UP + ROUNDS):
            # Whoever is second finds what the first one left in the processor's caches: by turns, too.
            for name in list(ways)[:: 1 if number % 2 else -1]:
                seconds = await chain.launch(browser, ways[name], user)
                if number >= WARMING_UP:
                    took[name].append(seconds)
    return took


async def _put_in_place(chain: Chain, model: Installation, minimal: BrokerProcess, file: Path) -> Installation:
    """Start the minimal issuer, with an installation at Talkdesk and an identity provider like the broker's."""
    registered = replace(
        model.app,
        id=new_id(),
        name="Minimal",
        events_url=f"{minimal.url}/talkdesk/events",
        standalone_url=f"{minimal.url}/talkdesk/launch",
        redirect_url=f"{minimal.url}/talkdesk/callback",
    )
    chain.talkdesk.register(registered)
    installation = await chain.talkdesk.install(chain.account, registered, deliver=False)
    alias = f"talkdesk-{installation.id}"
    settings = _settings(chain, installation, minimal.url, alias)
    await asyncio.to_thread(file.write_text, json.dumps(asdict(settings)))
    await _copy_identity_provider(chain, f"talkdesk-{model.id}", settings)
    minimal.spawn()
    await minimal.until_live()
    return installation


async def _copy_identity_provider(chain: Chain, model: str, settings: Settings) -> None:
    """The broker's, with other addresses and names; and launches may come back to either."""
    async with chain.keycloak.admin() as admin:
        path = "identity-provider/instances"
        provider = writable((await admin.get(f"{path}/{model}")).raise_for_status().json())
        config = provider["config"] | {
            "issuer": settings.issuer,
            "authorizationUrl": f"{settings.issuer}/authorize",
            "tokenUrl": f"{settings.issuer}/token",
            "jwksUrl": f"{settings.url}/oidc/jwks",
            "clientId": settings.client_id,
        }
        config.pop("brokerInstance")
        copied = provider | {"alias": settings.alias, "displayName": "Minimal", "config": config}
        (await admin.post(path, json=copied)).raise_for_status()
        for mapper in (await admin.get(f"{path}/{model}/mappers")).raise_for_status().json():
            copy = {name: value for name, value in mapper.items() if name != "id"}
            copy["identityProviderAlias"] = settings.alias
            (await admin.post(f"{path}/{settings.alias}/mappers", json=copy)).raise_for_status()
        (launch,) = (await admin.get("clients", params={"clientId": "talkdesk-launch"})).raise_for_status().json()
        uris = [f"{url}/launch/return" for url in (chain.broker.url, settings.url)]
        change = {"clientId": "talkdesk-launch", "redirectUris": uris}
        (await admin.put(f"clients/{launch['id']}", json=change)).raise_for_status()


def _settings(chain: Chain, installation: Installation, url: str, alias: str) -> Settings:
    credentials = installation.current.credentials
    addresses = chain.talkdesk.state.addresses
    key = credentials.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Settings(
        url=url,
        realm_url=chain.keycloak.realm_url,
        alias=alias,
        client_id="talkdesk-minimal",
        launch_client_id="talkdesk-launch",
        launch_client_secret=chain.keycloak.launch_secret,
        start_url=chain.app.start_url,
        account=chain.account.id,
        talkdesk_client_id=credentials.client_id,
        talkdesk_key_id=credentials.key_id,
        talkdesk_key_algorithm=credentials.key_algorithm,
        talkdesk_private_key=key.decode(),
        authorization_url=addresses.authorization(chain.account),
        token_url=addresses.token(chain.account),
        userinfo_url=addresses.userinfo,
    )
