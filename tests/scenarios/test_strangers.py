"""A customer's administrator chooses names, ids and addresses of his people: nobody becomes somebody else by them (mode own)."""

from dataclasses import replace

import pytest

from demo.talkdesk import ACME, Account, User
from tests.world import World

pytestmark = pytest.mark.thorough

SCRIPT = "<script>alert('x')</script>"
PEOPLE = (
    User("AB-c", "One", "one@acme.example"),
    User("ab-c", "Two Twins", "two@acme.example"),
    User("ab-C", SCRIPT, "three@acme.example"),
    User("ab.c", "x" * 600, "four@acme.example"),
    User("talkdesk-ab-c", "\u202eName 🎧 {{7*7}} ${jndi:x}", "five@acme.example"),
)
"""Ids that differ in case alone, with what we separate by; names of all kinds."""


def with_people(world: World, account: Account, *people: User) -> None:
    """The administrator's work in Talkdesk."""
    changed = replace(account, users=people)
    world.talkdesk.state.accounts[account.slug] = changed
    for installation in world.talkdesk.state.installations.values():
        if installation.account.slug == account.slug:
            installation.account = changed


async def test_people_of_all_names_and_ids_are_told_apart(world: World) -> None:
    """Each is in the app as a Keycloak user of their own, and again the same one at the next sign-on; no name becomes markup."""
    installation = await world.install(ACME)
    with_people(world, ACME, *PEOPLE)
    subs: dict[str, set[str]] = {}
    for person in (*PEOPLE, *PEOPLE):
        page = await world.launch(world.browser(person), installation, person)
        assert page.url == f"{world.wallboard.url}/", (person, page.text)
        assert SCRIPT not in page.text
        for session in world.wallboard.signed_in:
            subs.setdefault(str(session.claims["talkdesk_user_id"]), set()).add(session.sub)
    assert subs.keys() == {person.id for person in PEOPLE}
    assert all(len(each) == 1 for each in subs.values()), "everybody keeps who they are"
    assert len(set.union(*subs.values())) == len(PEOPLE), "and nobody is somebody else"


async def test_script_in_an_accounts_name_is_a_name(world: World) -> None:
    """In Keycloak's console, in the app, and on a page of ours."""
    named = replace(ACME, name=f"Acme {SCRIPT}")
    world.talkdesk.state.accounts[ACME.slug] = named
    installation = await world.install(named)
    person = named.users[0]
    page = await world.launch(world.browser(person), installation, person)
    assert page.url == f"{world.wallboard.url}/"
    assert SCRIPT not in page.text
    world.talkdesk.refuse_next_authorization()
    failed = await world.launch(world.browser(person), installation, person)
    assert SCRIPT not in failed.text
