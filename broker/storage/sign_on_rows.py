"""Sign-ons as rows, and back."""

from typing import Any

from sqlalchemy import Row

from broker.model.names import AccountId, Alias, InstallationId, TalkdeskUserId
from broker.model.sign_on import Person, SignOn, SignOnState


def values_of(sign_on: SignOn) -> dict[str, Any]:
    """Row of a sign-on; the person's name is not kept."""
    return {
        "id": sign_on.id,
        "sid": sign_on.sid,
        "installation_id": sign_on.installation,
        "account_id": sign_on.person.account,
        "user_id": sign_on.person.user,
        "email": sign_on.person.email.lower() if sign_on.person.email else None,
        "sub": sign_on.sub,
        "begun_at": sign_on.begun_at,
        "asked_at": sign_on.asked_at,
        "created_at": sign_on.created_at,
        "state": sign_on.state.value,
        "alias": sign_on.alias,
        "is_told": False,
        "keycloak_session": sign_on.foreign_session,
        "foreign_session": sign_on.foreign_session,
    }


def sign_on_of(row: Row[Any]) -> SignOn:
    """Sign-on of a row."""
    return SignOn(
        id=row.id,
        sid=row.sid,
        installation=InstallationId(row.installation_id),
        person=Person(AccountId(row.account_id), TalkdeskUserId(row.user_id), None, row.email),
        sub=row.sub,
        begun_at=row.begun_at,
        asked_at=row.asked_at,
        created_at=row.created_at,
        state=SignOnState(row.state),
        alias=Alias(row.alias),
        foreign_session=row.foreign_session,
    )
