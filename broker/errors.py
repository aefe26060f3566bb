"""Errors of the broker.

Each knows its three audiences: a stable `reason` for programs, a sentence for outside (`public`), a detail for the log (`str`);
and whether trying again can help. None of them ever carries a secret, a token or a body.
"""

from datetime import timedelta

from broker.model.failure import Reason, Stage


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

    `status` is its HTTP status, None where no answer came; `code` is the error code of an OAuth answer (RFC 6749, 5.2).
    `is_final` says that the same request will never succeed, `retry_after` what the server asked for, and `is_alarming` that a person
    has to look, though it goes on.
    """

    reason = "outside"

    def __init__(
        self,
        detail: str,
        *,
        status: int | None = None,
        is_final: bool = False,
        code: str | None = None,
        retry_after: timedelta | None = None,
        is_alarming: bool = False,
    ) -> None:
        """Describe the call without its content."""
        super().__init__(detail)
        self.status = status
        self.is_final = is_final
        self.code = code
        self.retry_after = retry_after
        self.is_alarming = is_alarming


class NotYet(BrokerError):
    """A task has nothing to do before then: no failure, it comes again."""

    reason = "not_yet"

    def __init__(self, after: timedelta, detail: str) -> None:
        """`detail` says what it waits for."""
        super().__init__(detail)
        self.after = after


class TalkdeskError(OutsideError):
    """Talkdesk could not be reached or refused."""

    reason = "talkdesk"


class NoAnswer(TalkdeskError):
    """No answer came, or not in time: whether Talkdesk did what it was asked for is not known."""


class KeycloakError(OutsideError):
    """Keycloak could not be reached or refused."""

    reason = "keycloak"


class AppError(OutsideError):
    """A downstream app could not be reached."""

    reason = "app"


class LogoutRefused(BrokerError):
    """A logout token that the relay does not take; nothing of it is kept."""

    def __init__(self, status: int, reason: str, detail: str) -> None:
        """`status` is the answer to who posted it, `reason` its stable code."""
        super().__init__(detail)
        self.status = status
        self.reason = reason


class LinkRefused(BrokerError):
    """A link whose host is not on the allow-list, or that is not plain https."""

    reason = "link_refused"


class StorageError(BrokerError):
    """The database can't be used as it is; says what to do."""

    reason = "storage"


class SchemaError(StorageError):
    """The schema is another version's; says which command, or which version, is needed."""

    reason = "schema"


class StorageUnavailable(StorageError):
    """The database does not answer now (locked, full, read-only, gone); trying again can help."""

    reason = "storage_unavailable"
    public = "The service is not available now. Try again in a moment."


class StorageBusy(StorageUnavailable):
    """Another process writes for longer than a write waits."""


class SealError(StorageError):
    """A sealed value can't be opened: its key is missing, wrong, or the value is not where it was put."""

    reason = "seal"


class SignOnFailed(BrokerError):
    """A person can't go on: becomes a page, and a record under the page's reference.

    The reason says what the person reads, in their own language (`web/texts`); `detail` is for the log and the record.
    """

    reason: Reason

    def __init__(
        self,
        stage: Stage,
        reason: Reason,
        *,
        status: int = 400,
        detail: str = "",
        installation: str | None = None,
        hint: str | None = None,
        upstream_status: int | None = None,
    ) -> None:
        """`status` is the page's HTTP status."""
        super().__init__(detail or reason.value)
        self.stage = stage
        self.reason = reason
        self.status = status
        self.installation = installation
        self.hint = hint
        self.upstream_status = upstream_status


class LaunchAgain(BrokerError):
    """An answer came a second time (somebody reloaded the page): nothing of it is used again, and the launch starts anew."""

    reason = "launch_again"

    def __init__(self, installation: str, hint: str | None) -> None:
        """Of the launch that the answer belonged to."""
        super().__init__()
        self.installation = installation
        self.hint = hint


class OAuthError(BrokerError):
    """An error answer of the token endpoint (RFC 6749, 5.2)."""

    def __init__(self, code: str, detail: str, *, status: int = 400) -> None:
        """`code` is the registered error code; the detail goes into `error_description`."""
        super().__init__(detail)
        self.reason = code
        self.status = status
