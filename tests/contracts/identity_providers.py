"""Contract of the port `IdentityProviders`: what Keycloak does, as far as the broker relies on it (docs/keycloak.md "Identity provider").

A subclass gives the fixture `providers`; aliases are fresh for each test, so that a long-lived realm can be judged as well.
"""

import asyncio
import uuid

import pytest

from broker.errors import KeycloakError
from broker.model.names import Alias
from broker.ports import IdentityProviders, Json


def representation(alias: Alias, **config: str) -> Json:
    """A small identity provider that Keycloak takes."""
    return {
        "alias": alias,
        "providerId": "oidc",
        "displayName": f"Contract {alias}",
        "enabled": False,
        "config": {
            "issuer": f"https://issuer.example/{alias}",
            "authorizationUrl": "https://issuer.example/authorize",
            "tokenUrl": "https://issuer.example/token",
            "jwksUrl": "https://issuer.example/jwks",
            "useJwksUrl": "true",
            "validateSignature": "true",
            "clientId": "contract",
            "clientAuthMethod": "private_key_jwt",
            "syncMode": "FORCE",  # left out, Keycloak 26.4 says LEGACY
        }
        | config,
    }


def mapper(alias: Alias, **config: str) -> Json:
    """A mapper that puts a claim into the session."""
    return {
        "name": "contract notes",
        "identityProviderAlias": alias,
        "identityProviderMapper": "oidc-user-session-note-idp-mapper",
        "config": {"syncMode": "FORCE", "are.claim.values.regex": "true", "claims": '[{"key": "a", "value": ".*"}]'}
        | config,
    }


class IdentityProvidersContract:
    """What every implementation does."""

    @pytest.fixture
    def alias(self) -> Alias:
        """A name that nobody has used."""
        return Alias(f"talkdesk-contract-{uuid.uuid4().hex}")

    async def test_an_unknown_alias_is_none(self, providers: IdentityProviders, alias: Alias) -> None:
        """What is not there is None, not an error."""
        assert await providers.find(alias) is None

    async def test_what_was_created_is_found_as_it_was_sent(self, providers: IdentityProviders, alias: Alias) -> None:
        """Every field comes back as sent, unknown keys of `config` too."""
        sent = representation(alias, brokerInstance="contract")

        assert await providers.create(sent)

        found = await providers.find(alias)
        assert found is not None
        assert {name: found[name] for name in sent} == sent
        assert found["internalId"]
        await providers.delete(alias)

    async def test_a_taken_alias_is_not_created_again(self, providers: IdentityProviders, alias: Alias) -> None:
        """The second one is told, and the first one stays as it is."""
        await providers.create(representation(alias))

        assert not await providers.create(representation(alias, brokerInstance="second"))

        found = await providers.find(alias)
        assert found is not None
        assert "brokerInstance" not in found["config"]
        await providers.delete(alias)

    async def test_only_one_of_several_creators_wins(self, providers: IdentityProviders, alias: Alias) -> None:
        """Create is the reservation of the alias: it is true once, however many ask one after the other."""
        outcomes = [await providers.create(representation(alias)) for _ in range(3)]

        assert outcomes == [True, False, False]
        await providers.delete(alias)

    async def test_replace_leaves_nothing_of_what_is_not_sent(self, providers: IdentityProviders, alias: Alias) -> None:
        """A key of `config` that is left out is gone."""
        await providers.create(representation(alias, brokerSettingUp="true"))

        await providers.replace(representation(alias) | {"enabled": True})

        found = await providers.find(alias)
        assert found is not None
        assert found["enabled"] is True
        assert "brokerSettingUp" not in found["config"]
        await providers.delete(alias)

    async def test_an_empty_value_vanishes_from_config(self, providers: IdentityProviders, alias: Alias) -> None:
        """`""` is the same as absent, so nothing that we compare may be empty."""
        await providers.create(representation(alias, loginHint=""))

        found = await providers.find(alias)
        assert found is not None
        assert "loginHint" not in found["config"]
        await providers.delete(alias)

    async def test_replacing_what_is_not_there_is_an_error(self, providers: IdentityProviders, alias: Alias) -> None:
        """Deleted meanwhile: 404."""
        with pytest.raises(KeycloakError) as caught:
            await providers.replace(representation(alias))

        assert caught.value.status == 404

    async def test_what_was_deleted_is_gone(self, providers: IdentityProviders, alias: Alias) -> None:
        """Gone, and gone again is no error."""
        await providers.create(representation(alias))

        await providers.delete(alias)
        await providers.delete(alias)

        assert await providers.find(alias) is None

    async def test_a_new_one_has_no_mappers(self, providers: IdentityProviders, alias: Alias) -> None:
        """Keycloak adds none by itself."""
        await providers.create(representation(alias))

        assert list(await providers.mappers(alias)) == []
        await providers.delete(alias)

    async def test_a_mapper_comes_back_as_it_was_sent_with_an_id(
        self, providers: IdentityProviders, alias: Alias
    ) -> None:
        """The text of its claims included, so that it can be compared as text."""
        await providers.create(representation(alias))

        await providers.create_mapper(alias, mapper(alias))

        [found] = await providers.mappers(alias)
        assert found.pop("id")
        assert found == mapper(alias)
        await providers.delete(alias)

    async def test_a_second_mapper_of_the_same_name_is_refused(
        self, providers: IdentityProviders, alias: Alias
    ) -> None:
        """Names are unique within an identity provider."""
        await providers.create(representation(alias))
        await providers.create_mapper(alias, mapper(alias))

        with pytest.raises(KeycloakError) as caught:
            await providers.create_mapper(alias, mapper(alias))

        assert caught.value.status == 400
        assert len(await providers.mappers(alias)) == 1
        await providers.delete(alias)

    async def test_a_mapper_is_replaced_by_its_id(self, providers: IdentityProviders, alias: Alias) -> None:
        """The id stays, the rest is what was sent."""
        await providers.create(representation(alias))
        await providers.create_mapper(alias, mapper(alias))
        [before] = await providers.mappers(alias)

        await providers.replace_mapper(
            alias, mapper(alias, claims='[{"key": "b", "value": ".*"}]') | {"id": before["id"]}
        )

        [after] = await providers.mappers(alias)
        assert after["id"] == before["id"]
        assert after["config"]["claims"] == '[{"key": "b", "value": ".*"}]'
        await providers.delete(alias)

    async def test_mappers_of_what_is_not_there_are_an_error(self, providers: IdentityProviders, alias: Alias) -> None:
        """Neither an empty list nor a new mapper: 404."""
        for call in (providers.mappers(alias), providers.create_mapper(alias, mapper(alias))):
            with pytest.raises(KeycloakError) as caught:
                await call
            assert caught.value.status == 404

    async def test_deleting_takes_the_mappers_along(self, providers: IdentityProviders, alias: Alias) -> None:
        """What is created again under the alias starts without them."""
        await providers.create(representation(alias))
        await providers.create_mapper(alias, mapper(alias))

        await providers.delete(alias)
        await providers.create(representation(alias))

        assert list(await providers.mappers(alias)) == []
        await providers.delete(alias)

    async def test_many_at_once_do_not_disturb_each_other(self, providers: IdentityProviders, alias: Alias) -> None:
        """Ten at the same time are all there afterwards."""
        aliases = [Alias(f"{alias}-{number}") for number in range(10)]

        assert all(await asyncio.gather(*(providers.create(representation(each)) for each in aliases)))

        found = await asyncio.gather(*(providers.find(each) for each in aliases))
        assert [each["alias"] for each in found if each] == aliases
        await asyncio.gather(*(providers.delete(each) for each in aliases))
