"""What is on its way through the browser, as it is kept under a one-time state."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from broker.model.browser import Binding
from broker.model.names import AccountId, Alias, InstallationId, TalkdeskUserId
from broker.model.sign_on import Person

STATE_LIFETIME = timedelta(minutes=10)
"""How long a trip to Keycloak or Talkdesk may take: a person may have to sign in there."""


@dataclass(frozen=True)
class Launch:
    """A click on an icon in Talkdesk."""

    installation: InstallationId
    hint: TalkdeskUserId | None
    """Who Talkdesk's link names: compared, never believed."""
    began_at: datetime
    """On our clock."""
    round: int = 1
    """2 after somebody else's session was ended for it."""


@dataclass(frozen=True)
class LaunchState:
    """A launch on its way to Keycloak and back."""

    launch: Launch
    binding: Binding
    nonce: str
    code_verifier: str

    def to_json(self) -> dict[str, Any]:
        """For the database."""
        return {
            "launch": _launch_to_json(self.launch),
            "binding": asdict(self.binding),
            "nonce": self.nonce,
            "code_verifier": self.code_verifier,
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """From the database."""
        return cls(
            _launch_from_json(content["launch"]),
            Binding(**content["binding"]),
            content["nonce"],
            content["code_verifier"],
        )


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
class Proving:
    """A launch that found a session of ours and asks Talkdesk who is there, before anything ends."""

    launch: Launch
    sign_on: str
    """The sign-on that the session in this browser comes from."""


@dataclass(frozen=True)
class TalkdeskState:
    """A trip to Talkdesk: for Keycloak's request, or to prove who launches."""

    installation: InstallationId
    purpose: AuthorizationRequest | Proving
    binding: Binding
    nonce: str
    code_verifier: str

    def to_json(self) -> dict[str, Any]:
        """For the database."""
        content: dict[str, Any] = {
            "installation": self.installation,
            "binding": asdict(self.binding),
            "nonce": self.nonce,
            "code_verifier": self.code_verifier,
        }
        if isinstance(self.purpose, AuthorizationRequest):
            content["request"] = asdict(self.purpose)
        else:
            content["proving"] = {"launch": _launch_to_json(self.purpose.launch), "sign_on": self.purpose.sign_on}
        return content

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """From the database."""
        purpose: AuthorizationRequest | Proving
        if "request" in content:
            purpose = AuthorizationRequest(**content["request"])
        else:
            proving = content["proving"]
            purpose = Proving(_launch_from_json(proving["launch"]), proving["sign_on"])
        return cls(
            InstallationId(content["installation"]),
            purpose,
            Binding(**content["binding"]),
            content["nonce"],
            content["code_verifier"],
        )


@dataclass(frozen=True)
class Proven:
    """Who Talkdesk says is at this browser, and since when at the latest."""

    person: Person
    begun_at: datetime

    def to_json(self) -> dict[str, Any]:
        """For the database."""
        return {"person": asdict(self.person), "begun_at": self.begun_at.isoformat()}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """From the database."""
        person = content["person"]
        return cls(
            Person(AccountId(person["account"]), TalkdeskUserId(person["user"]), person["name"], person["email"]),
            datetime.fromisoformat(content["begun_at"]),
        )


def _launch_to_json(launch: Launch) -> dict[str, Any]:
    return {**asdict(launch), "began_at": launch.began_at.isoformat()}


def _launch_from_json(content: dict[str, Any]) -> Launch:
    return Launch(**{**content, "began_at": datetime.fromisoformat(content["began_at"])})
