"""Whom is it in the realm? A Talkdesk user → exactly one enabled Keycloak user of a realm that somebody else owns (mode existing).

Asked before Keycloak is, so that nobody, several, disabled and "not allowed" each end on our page and never on a form of Keycloak's.
A link that is there wins over the account's rule: who was somebody at the first sign-on stays it, whatever a customer's administrator makes
of his address later. It counts from any app of the account, and so does a link to somebody else, which is a page and never changed.
Leaves to others: making the link, which Keycloak's first-login flow does and which can do nothing else.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from broker.errors import KeycloakError, SignOnFailed
from broker.model.failure import Reason, Stage
from broker.model.identity_provider import ProviderRecord
from broker.model.installation import Installation
from broker.model.names import AccountId, username_of
from broker.model.realm_user import MatchRule, RealmUser, is_of_domain
from broker.model.sign_on import Person
from broker.ports import ProviderRecords, RealmUsers


@dataclass(frozen=True)
class MatchUser:
    """Finds the Keycloak user of a proven person."""

    users: RealmUsers
    records: ProviderRecords
    rules: Mapping[AccountId, MatchRule]
    """Of every listed account."""

    async def __call__(self, installation: Installation, person: Person) -> RealmUser:
        """The one enabled user. Raises SignOnFailed."""
        try:
            user = await self._find(installation, person)
        except KeycloakError as error:
            raise SignOnFailed(
                Stage.CALLBACK,
                Reason.KEYCLOAK_FAILED,
                status=502,
                detail=str(error),
                installation=installation.id,
                upstream_status=error.status,
            ) from None
        if not user.is_enabled:
            raise _refused(Reason.USER_DISABLED, installation)
        return user

    async def _find(self, installation: Installation, person: Person) -> RealmUser:
        sub = username_of(person.account, person.user)
        records = await self.records.live_of_account(installation.account)
        own = [record for record in records if record.installation == installation.id]
        # Most sign-ons end here. It is what Keycloak itself goes by, too.
        if linked := await self._linked(own, sub):
            return _only(linked, installation)
        others = [record for record in records if record.installation != installation.id]
        found = await self._linked(others, sub) or await self._by_rule(installation, person)
        user = _only(found, installation)
        links = await self.users.links(user.id)
        if any(links.get(record.alias, sub) != sub for record in records):
            raise _refused(Reason.USER_LINKED_ELSEWHERE, installation)
        return user

    async def _linked(self, records: Sequence[ProviderRecord], sub: str) -> Sequence[RealmUser]:
        """Users with a link of this person, each once. As many calls as the account has apps."""
        found = await asyncio.gather(*(self.users.linked(record.alias, sub) for record in records))
        return list({user.id: user for users in found for user in users}.values())

    async def _by_rule(self, installation: Installation, person: Person) -> Sequence[RealmUser]:
        rule = self.rules[installation.account]
        if not rule.is_by_address:
            return await self.users.matching(rule, person.user)
        if person.email is None:
            raise _refused(Reason.EMAIL_MISSING, installation)
        if not is_of_domain(person.email, rule.domains):
            raise _refused(Reason.EMAIL_NOT_ALLOWED, installation)
        return await self.users.matching(rule, person.email)


def _only(found: Sequence[RealmUser], installation: Installation) -> RealmUser:
    if not found:
        raise _refused(Reason.USER_NOT_FOUND, installation)
    if len(found) > 1:
        raise _refused(Reason.USER_NOT_UNIQUE, installation)
    return found[0]


def _refused(reason: Reason, installation: Installation) -> SignOnFailed:
    return SignOnFailed(Stage.CALLBACK, reason, status=403, installation=installation.id)
