"""Who is it: userinfo → a person.

The user's id stands in `id`, in the last part of `_links.self`, or in `sub`: which one Talkdesk sends is not documented. The first
sign-on of an account chooses, and the choice is kept, so that no update of Talkdesk's renames everybody.
"""

from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from broker.model.names import MAX_ID_LENGTH, AccountId, TalkdeskUserId
from broker.model.sign_on import Person
from broker.ports import Accounts, Json

_SOURCES = ("id", "_links.self", "sub")
_LONGEST_EMAIL = 254
_LONGEST_NAME = 500


class UnknownPerson(ValueError):
    """Userinfo does not say who it is."""


async def resolve(account: AccountId, userinfo: Json, accounts: Accounts) -> Person:
    """The person whom this userinfo describes. Raises UnknownPerson."""
    ids = _ids(userinfo)
    source = await accounts.user_id_source(account, next(iter(ids)))
    return _person(account, userinfo, ids, source)


def read(account: AccountId, description: Json, source: str | None) -> Person:
    """The person whom this description is of, which chooses nothing for the account. Raises UnknownPerson."""
    ids = _ids(description)
    return _person(account, description, ids, source or next(iter(ids)))


def _ids(userinfo: Json) -> Mapping[str, str]:
    ids = {source: found for source in _SOURCES if (found := _id_from(userinfo, source))}
    if not ids:
        raise UnknownPerson("userinfo has none of id, _links.self, sub")
    return ids


def _person(account: AccountId, userinfo: Json, ids: Mapping[str, str], source: str) -> Person:
    if source not in ids:
        raise UnknownPerson(f"userinfo has no {source}, which names this account's users")
    return Person(
        account,
        TalkdeskUserId(ids[source]),
        _text(userinfo.get("name"), _LONGEST_NAME),
        _text(userinfo.get("email"), _LONGEST_EMAIL),
    )


def _id_from(userinfo: Json, source: str) -> str | None:
    if source != "_links.self":
        return _identifier(userinfo.get(source))
    links = userinfo.get("_links")
    self_link = links.get("self") if isinstance(links, dict) else None
    href = self_link.get("href") if isinstance(self_link, dict) else self_link
    if not isinstance(href, str):
        return None
    try:
        return _identifier(unquote(urlsplit(href).path.rstrip("/").rpartition("/")[2]))
    except ValueError:
        return None


def _identifier(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value)
    return text if 0 < len(text) <= MAX_ID_LENGTH and text.isprintable() else None


def _text(value: object, longest: int) -> str | None:
    if not isinstance(value, str):
        return None
    text = "".join(char for char in value if char.isprintable()).strip()
    return text if 0 < len(text) <= longest else None
