"""What is on its way through the browser, as it is kept while it is elsewhere."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Self

from broker.model.names import AccountId, Alias, InstallationId, TalkdeskUserId
from broker.model.realm_user import RealmUser
from broker.model.sign_on import Person


@dataclass(frozen=True)
class Launch:
    """A click on an icon in Talkdesk."""

    installation: InstallationId
    hint: TalkdeskUserId | None
    """Who Talkdesk's link names: compared, never believed."""
    began_at: datetime
    """On our clock."""
    proven: TalkdeskUserId | None = None
    """Who Talkdesk said is at this browser, for this launch: certain."""
    proven_at: datetime | None = None
    """On Talkdesk's clock: when it was asked."""
    realm_user: str | None = None
    """Id of the Keycloak user whom that person is (mode existing)."""
    proof: str | None = None
    """Goes through Keycloak and comes back at `authorize`: the proof is this launch's and nobody else's."""
    ended: int = 0
    """How often a session was ended for it."""

    def to_json(self) -> dict[str, Any]:
        """For the database."""
        proven_at = self.proven_at.isoformat() if self.proven_at else None
        return {**asdict(self), "began_at": self.began_at.isoformat(), "proven_at": proven_at}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """From the database."""
        began_at = datetime.fromisoformat(content["began_at"])
        proven_at = datetime.fromisoformat(at) if (at := content.get("proven_at")) else None
        return cls(**{**content, "began_at": began_at, "proven_at": proven_at})


@dataclass(frozen=True)
class AuthorizationRequest:
    """Keycloak's authorization request at one of our issuers (OpenID Connect Core 3.1.2.1), checked."""

    client_id: str
    redirect_uri: str
    alias: Alias
    state: str
    nonce: str | None
    code_challenge: str


@dataclass(frozen=True)
class Trip:
    """A trip to Talkdesk: for Keycloak's request, or to prove who launches."""

    installation: InstallationId
    purpose: AuthorizationRequest | Launch
    asked_at: datetime
    """On our clock: when the browser was sent."""
    client_id: str
    """Whose code it will be: the credentials that were in use then, though others may be by the time that it comes."""
    is_again: bool = False
    """The second one, since Talkdesk did not say what it made of the first one's code. There is no third."""
    waited_s: float = 0
    """What the person has waited for Talkdesk on the first one."""

    def to_json(self) -> dict[str, Any]:
        """For the database."""
        content: dict[str, Any] = {
            "installation": self.installation,
            "asked_at": self.asked_at.isoformat(),
            "client_id": self.client_id,
            "is_again": self.is_again,
            "waited_s": self.waited_s,
        }
        if isinstance(self.purpose, Launch):
            return {**content, "launch": self.purpose.to_json(), "hint": self.purpose.hint}
        return {**content, "request": asdict(self.purpose)}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """From the database."""
        installation, asked_at = InstallationId(content["installation"]), datetime.fromisoformat(content["asked_at"])
        purpose = (
            Launch.from_json(content["launch"]) if "launch" in content else AuthorizationRequest(**content["request"])
        )
        # A trip that a service of the former version began does not say.
        is_again, waited_s = content.get("is_again", False), content.get("waited_s", 0)
        return cls(installation, purpose, asked_at, content["client_id"], is_again, waited_s)


@dataclass(frozen=True)
class Proven:
    """Who Talkdesk says is at this browser."""

    person: Person
    begun_at: datetime
    """On Talkdesk's clock: when it was asked. Whoever signed out later is not proven any more."""
    asked_at: datetime
    """The same on our clock."""
    realm_user: RealmUser | None = None
    """Whom that person is in a realm that somebody else owns (mode existing)."""

    def to_json(self) -> dict[str, Any]:
        """For the database."""
        times = {"begun_at": self.begun_at.isoformat(), "asked_at": self.asked_at.isoformat()}
        realm_user = asdict(self.realm_user) if self.realm_user else None
        return {"person": asdict(self.person), "realm_user": realm_user, **times}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """From the database."""
        person = content["person"]
        return cls(
            Person(AccountId(person["account"]), TalkdeskUserId(person["user"]), person["name"], person["email"]),
            datetime.fromisoformat(content["begun_at"]),
            datetime.fromisoformat(content["asked_at"]),
            RealmUser(**realm_user) if (realm_user := content.get("realm_user")) else None,
        )
