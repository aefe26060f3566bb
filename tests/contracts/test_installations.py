"""Contract of `Installations`."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from uuid import uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.model.facts import InstallationFact
from broker.model.installation import Installation, fold
from broker.model.names import AccountId, AppId, InstallationId, slug_of
from broker.storage.database import upgrade
from broker.storage.stores import Stores
from tests.contracts.stores import (
    ACCOUNT,
    INSTALLATION,
    Backend,
    at,
    installed,
    receive,
    stores_on,
    uninstalled,
)


async def test_nothing_is_found_before_something_was_heard(stores: Stores) -> None:
    """None, not an empty installation."""
    assert await stores.installations.find(INSTALLATION) is None
    assert await stores.installations.find_by_slug(slug_of(INSTALLATION)) is None


async def test_an_installation_comes_back_whole(stores: Stores) -> None:
    """Owner, credentials, links and time are as the fact stated them."""
    fact = installed(at(1))
    await receive(stores, fact)
    assert await stores.installations.find(INSTALLATION) == fold([fact])


async def test_an_installation_is_found_by_its_name_in_urls(stores: Stores) -> None:
    """Also where the id is not plain, so that the name is a hash."""
    strange = InstallationId("Not/Plain")
    await receive(stores, installed(installation=strange))
    found = await stores.installations.find_by_slug(slug_of(strange))
    assert found is not None
    assert found.id == strange


async def test_only_an_uninstall_leaves_a_tombstone(stores: Stores) -> None:
    """An install that comes after it, but is older, opens nothing."""
    await receive(stores, uninstalled(at(2)))
    await receive(stores, installed(at(1)))
    found = await stores.installations.find(INSTALLATION)
    assert found is not None
    assert not found.is_active


async def test_active_apps_of_an_account(stores: Stores) -> None:
    """Sorted, each once, without those that are uninstalled and those of other accounts."""
    for number, (app, account) in enumerate(
        [("b", ACCOUNT), ("a", ACCOUNT), ("b", ACCOUNT), ("c", AccountId("account2"))]
    ):
        fact = installed(installation=InstallationId(f"i{number}"), app=AppId(app), account=AccountId(account))
        await receive(stores, fact)
    await receive(stores, installed(at(0)))
    await receive(stores, uninstalled(at(0)))
    assert await stores.installations.active_apps(ACCOUNT) == ["a", "b"]
    assert await stores.installations.active_apps(AccountId("nobody")) == []


async def test_erased_credentials_are_gone_and_the_tombstone_stays(stores: Stores) -> None:
    """What is erased does not come back, and the installation is still known and closed."""
    await receive(stores, installed(at(1)))
    await receive(stores, uninstalled(at(2)))
    await stores.installations.erase_credentials(INSTALLATION, at(2))
    found = await stores.installations.find(INSTALLATION)
    assert found is not None
    assert found.credentials is None
    assert not found.is_active
    assert found.account_name == "Acme"


async def test_credentials_of_a_later_install_are_not_erased(stores: Stores) -> None:
    """An uninstall that is carried out late leaves the installation that followed alone, and other installations too."""
    other = InstallationId("other")
    await receive(stores, installed(at(1)))
    await receive(stores, installed(at(1), installation=other))
    await receive(stores, installed(at(3)))
    await stores.installations.erase_credentials(INSTALLATION, at(2))
    for installation in (INSTALLATION, other):
        found = await stores.installations.find(installation)
        assert found is not None
        assert found.credentials is not None


_statements = st.lists(st.tuples(st.booleans(), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=5)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(statements=_statements, data=st.data())
def test_facts_fold_alike_in_any_order_of_arrival(
    backend: Backend, statements: list[tuple[bool, int, int]], data: st.DataObject
) -> None:
    """Whatever order events arrive in, the installation read back is what the pure fold makes of them."""
    # One database for all examples, another installation for each.
    installation = InstallationId(uuid4().hex)
    facts = [_fact(installation, *statement) for statement in statements]
    arriving = data.draw(st.permutations(facts))
    assert asyncio.run(_read_back(backend, installation, arriving)) == fold(facts)


def _fact(installation: InstallationId, is_install: bool, second: int, key: int) -> InstallationFact:
    if not is_install:
        return uninstalled(at(second), installation)
    fact = installed(at(second), installation)
    assert fact.credentials is not None
    return replace(fact, account_name=f"Acme {key}", credentials=replace(fact.credentials, key_id=f"key{key}"))


async def _read_back(
    backend: Backend, installation: InstallationId, facts: Sequence[InstallationFact]
) -> Installation | None:
    database = backend.open()
    await upgrade(database)
    stores = stores_on(database)
    for fact in facts:
        await receive(stores, fact)
    found = await stores.installations.find(installation)
    await database.close()
    return found
