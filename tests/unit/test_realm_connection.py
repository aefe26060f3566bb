"""The connection to Keycloak's admin API: tokens, paths, and what becomes of errors."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import parse_qs

import httpx
import pytest

from broker.errors import KeycloakError
from broker.model.names import Alias
from broker.realm.connection import AdministratorConnection, RealmConnection, path_part
from broker.realm.identity_providers import KeycloakIdentityProviders
from broker.realm.resources import Resources

ALIAS = Alias("talkdesk-acme")
SECRET = "s3cret-of-the-service-account"


class Keycloak:
    """Answers as a test says; hands out numbered tokens and counts them."""

    def __init__(self, answer: Callable[[httpx.Request], httpx.Response]) -> None:
        """`answer` is asked for everything but tokens."""
        self.answer = answer
        self.tokens = 0
        self.token_status = 200
        self.requests: list[httpx.Request] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        if not request.url.path.endswith("/protocol/openid-connect/token"):
            self.requests.append(request)
            return self.answer(request)
        form = parse_qs(request.content.decode())
        assert form["grant_type"] == ["client_credentials"]
        assert form["client_secret"] == [SECRET]
        if self.token_status != 200:
            return httpx.Response(self.token_status, json={"error": f"not with {SECRET}"})
        self.tokens += 1
        return httpx.Response(200, json={"access_token": f"token-{self.tokens}", "expires_in": 60})


@asynccontextmanager
async def providers_at(
    keycloak: Keycloak, base_url: str = "http://127.0.0.1:1"
) -> AsyncIterator[KeycloakIdentityProviders]:
    """The adapter on this imitation."""
    async with httpx.AsyncClient(transport=httpx.MockTransport(keycloak)) as client:
        yield KeycloakIdentityProviders(RealmConnection(base_url, "talkdesk", "talkdesk-broker", SECRET, client))


def found(_: httpx.Request) -> httpx.Response:
    """There is one of every name."""
    return httpx.Response(200, json={"alias": ALIAS})


async def test_nothing_is_called_before_the_first_request() -> None:
    """The broker starts without Keycloak."""
    keycloak = Keycloak(found)
    async with providers_at(keycloak):
        pass

    assert (keycloak.tokens, keycloak.requests) == (0, [])


async def test_twenty_first_calls_fetch_one_token() -> None:
    """Those who come while a token is being fetched wait for it."""
    keycloak = Keycloak(found)
    async with providers_at(keycloak) as providers:
        await asyncio.gather(*(providers.find(ALIAS) for _ in range(20)))

    assert keycloak.tokens == 1
    assert {request.headers["Authorization"] for request in keycloak.requests} == {"Bearer token-1"}


async def test_a_refused_token_is_replaced_once_and_the_call_repeated() -> None:
    """Keycloak was restarted or its keys rotated: nobody notices."""

    def only_the_second(request: httpx.Request) -> httpx.Response:
        is_good = request.headers["Authorization"] == "Bearer token-2"
        return found(request) if is_good else httpx.Response(401, json={"error": "HTTP 401 Unauthorized"})

    keycloak = Keycloak(only_the_second)
    async with providers_at(keycloak) as providers:
        assert await providers.find(ALIAS) == {"alias": ALIAS}

    assert keycloak.tokens == 2
    assert len(keycloak.requests) == 2


async def test_a_token_that_is_refused_for_good_is_an_error_that_may_pass() -> None:
    """One fresh token, one more try, no loop."""
    keycloak = Keycloak(lambda _: httpx.Response(401, json={"error": "HTTP 401 Unauthorized"}))
    async with providers_at(keycloak) as providers:
        with pytest.raises(KeycloakError) as caught:
            await providers.find(ALIAS)

    assert (caught.value.status, caught.value.is_final) == (401, False)
    assert len(keycloak.requests) == 2


@pytest.mark.parametrize("status", [400, 401, 404, 503])
async def test_no_token_is_an_error_that_may_pass_and_tells_no_secret(status: int) -> None:
    """A wrong secret or a missing realm an administrator can mend; a 404 here is not a missing identity provider."""
    keycloak = Keycloak(found)
    keycloak.token_status = status
    async with providers_at(keycloak) as providers:
        with pytest.raises(KeycloakError) as caught:
            await providers.find(ALIAS)

    assert (caught.value.status, caught.value.is_final) == (status, False)
    assert SECRET not in repr(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(404, json={"error": "Realm not found."}),
        httpx.Response(404, html="<h1>Not found</h1>"),
        httpx.Response(404),
    ],
)
async def test_only_keycloak_can_say_that_an_identity_provider_is_missing(answer: httpx.Response) -> None:
    """A missing realm or a proxy's 404 would else give every installation a new alias."""
    async with providers_at(Keycloak(lambda _: answer)) as providers:
        for call in (providers.find(ALIAS), providers.delete(ALIAS)):
            with pytest.raises(KeycloakError) as caught:
                await call
            assert (caught.value.status, caught.value.is_final) == (404, False)


@pytest.mark.parametrize("status", [400, 403, 404, 500, 503])
async def test_no_refusal_is_final(status: int) -> None:
    """It follows from how realm and broker are set up, which an administrator can mend."""
    keycloak = Keycloak(lambda _: httpx.Response(status, json={"error": "private detail"}))
    async with providers_at(keycloak) as providers:
        with pytest.raises(KeycloakError) as caught:
            await providers.create({"alias": ALIAS})

    assert (caught.value.status, caught.value.is_final) == (status, False)
    assert "private detail" not in str(caught.value)


async def test_the_sentence_that_keycloak_means_for_people_is_told() -> None:
    """Else nobody would know what to mend; cut and quoted, so that it stays one short line of the log."""
    sentence = "The url [token_url] requires secure connections\n" + "x" * 1000
    keycloak = Keycloak(lambda _: httpx.Response(400, json={"errorMessage": sentence}))
    async with providers_at(keycloak) as providers:
        with pytest.raises(KeycloakError, match="requires secure connections") as caught:
            await providers.create({"alias": ALIAS})

    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


async def test_no_answer_is_an_error_without_status() -> None:
    """Refused, broken off or too slow: all the same to who waits."""

    def refused(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    async with providers_at(Keycloak(refused)) as providers:
        with pytest.raises(KeycloakError) as caught:
            await providers.find(ALIAS)

    assert (caught.value.status, caught.value.is_final) == (None, False)


@pytest.mark.parametrize(
    "answer",
    [httpx.Response(200, html="<h1>Welcome</h1>"), httpx.Response(200, json=[]), httpx.Response(404, json=["no"])],
)
async def test_an_answer_of_another_shape_is_an_error_that_may_pass(answer: httpx.Response) -> None:
    """A proxy that answers 200 for everything is not Keycloak."""
    async with providers_at(Keycloak(lambda _: answer)) as providers:
        with pytest.raises(KeycloakError) as caught:
            await providers.find(ALIAS)

    assert not caught.value.is_final


async def test_the_base_url_keeps_its_path() -> None:
    """Keycloak behind `/auth` is found there."""
    keycloak = Keycloak(found)
    async with providers_at(keycloak, "http://127.0.0.1:1/auth") as providers:
        await providers.find(ALIAS)

    assert keycloak.requests[0].url.path == f"/auth/admin/realms/talkdesk/identity-provider/instances/{ALIAS}"


async def test_parts_of_a_path_are_escaped() -> None:
    """An id from outside stays one segment."""
    keycloak = Keycloak(lambda _: httpx.Response(204))
    async with providers_at(keycloak) as providers:
        await providers.replace_mapper(Alias("a/b"), {"id": "c/../d?e"})

    assert keycloak.requests[0].url.raw_path == (
        b"/admin/realms/talkdesk/identity-provider/instances/a%2Fb/mappers/c%2F..%2Fd%3Fe"
    )
    assert json.loads(keycloak.requests[0].content) == {"id": "c/../d?e"}


@pytest.mark.parametrize("text", ["", ".", ".."])
def test_what_would_change_the_path_is_no_part_of_it(text: str) -> None:
    """Escaping does not help against dots."""
    with pytest.raises(ValueError, match="segment"):
        path_part(text)


@pytest.mark.parametrize("logout_status", [204, 500])
async def test_an_administrator_signs_on_in_his_own_realm_and_out_again(logout_status: int) -> None:
    """No session of his is left behind; where Keycloak does not end it, the command is not worse off."""
    requests: list[tuple[str, dict[str, list[str]]]] = []

    async def keycloak(request: httpx.Request) -> httpx.Response:
        requests.append((request.url.path, parse_qs(request.content.decode())))
        if request.url.path.endswith("/token"):
            return httpx.Response(200, json={"access_token": "a", "refresh_token": "r", "expires_in": 60})
        return httpx.Response(logout_status if request.url.path.endswith("/logout") else 200, json={})

    async with httpx.AsyncClient(transport=httpx.MockTransport(keycloak)) as client:
        connection = AdministratorConnection(
            "http://127.0.0.1:1", "company", client, username="root", password=SECRET, admin_realm="master"
        )
        assert await Resources(connection).get("client-scopes") == {}
        await connection.end_session()
        await connection.end_session()  # nothing is left to end
    endpoints = "/realms/master/protocol/openid-connect"
    paths = [path for path, _ in requests]
    assert paths == [f"{endpoints}/token", "/admin/realms/company/client-scopes", f"{endpoints}/logout"]
    assert requests[0][1]["grant_type"] == ["password"]
    assert requests[2][1]["refresh_token"] == ["r"]
