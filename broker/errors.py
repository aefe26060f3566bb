"""Errors of the broker.

Each knows its three audiences: a stable `reason` for programs, a sentence for outside (`public`), a detail for the log (`str`);
and whether trying again can help. None of them ever carries a secret, a token or a body.
"""


class BrokerError(Exception):
    """Anything that this service can say about itself."""

    reason = "error"
    public = "Something went wrong."

    def __init__(self, detail: str = "") -> None:
        """Keep the detail, which is for the log only."""
        super().__init__(detail or self.public)


class EventRefused(BrokerError):
    """A delivery that is answered with an error; nothing of it is kept."""

    status = 400

    def __init__(self, status: int, reason: str, detail: str = "") -> None:
        """`status` is the answer to Talkdesk, `reason` its stable code."""
        super().__init__(detail or reason)
        self.status = status
        self.reason = reason


class OutsideError(BrokerError):
    """Somebody else's server did not do what was asked.

    `status` is its HTTP status, None where no answer came. `is_final` says that the same request will never succeed.
    """

    reason = "outside"

    def __init__(self, detail: str, *, status: int | None = None, is_final: bool = False) -> None:
        """Describe the call without its content."""
        super().__init__(detail)
        self.status = status
        self.is_final = is_final


class TalkdeskError(OutsideError):
    """Talkdesk could not be reached or refused."""

    reason = "talkdesk"


class KeycloakError(OutsideError):
    """Keycloak could not be reached or refused."""

    reason = "keycloak"


class LinkRefused(BrokerError):
    """A link whose host is not on the allow-list, or that is not plain https."""

    reason = "link_refused"


class StorageError(BrokerError):
    """The database can't be used as it is; says what to do."""

    reason = "storage"


class SealError(StorageError):
    """A sealed value can't be opened: its key is missing, wrong, or the value is not where it was put."""

    reason = "seal"
