"""What stopped a person, so that support can act before the customer asks.

Owns: where and why a sign-on stops. Leaves to others: what the person reads about it (`web/texts`, one file per language).
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Stage(StrEnum):
    """Where a launch or sign-on stopped."""

    LAUNCH = "launch"
    AUTHORIZE = "authorize"
    CALLBACK = "callback"
    RETURN = "return"


class Reason(StrEnum):
    """Why: stable codes, for programs and for support; docs/sign-on.md says of each what to look at."""

    # The door is closed, which is found before Keycloak is asked.
    INSTALLATION_MALFORMED = "installation_malformed"
    INSTALLATION_UNKNOWN = "installation_unknown"
    INSTALLATION_INACTIVE = "installation_inactive"
    INSTALLATION_SUSPENDED = "installation_suspended"
    TRIAL_EXPIRED = "trial_expired"
    APP_UNKNOWN = "app_unknown"
    ACCOUNT_NOT_LISTED = "account_not_listed"
    USER_REMOVED = "user_removed"
    IDENTITY_PROVIDER_DISABLED = "identity_provider_disabled"
    # The browser.
    NOTHING_TO_RESUME = "nothing_to_resume"
    RESUMED_IN_A_CIRCLE = "resumed_in_a_circle"
    INSIDE_A_FRAME = "inside_a_frame"
    ANSWER_MALFORMED = "answer_malformed"
    STATE_UNKNOWN = "state_unknown"
    OTHER_BROWSER = "other_browser"
    # Keycloak's request at the issuer.
    PARAMETER_TWICE = "parameter_twice"
    PARAMETER_TOO_LONG = "parameter_too_long"
    CLIENT_UNKNOWN = "client_unknown"
    REDIRECT_URI_UNKNOWN = "redirect_uri_unknown"
    REQUEST_OBJECT_NOT_SUPPORTED = "request_object_not_supported"
    RESPONSE_TYPE_NOT_SUPPORTED = "response_type_not_supported"
    RESPONSE_MODE_NOT_SUPPORTED = "response_mode_not_supported"
    SCOPE_WITHOUT_OPENID = "scope_without_openid"
    PROMPT_NONE_NOT_SUPPORTED = "prompt_none_not_supported"
    STATE_MISSING = "state_missing"
    PKCE_MISSING = "pkce_missing"
    # Whom it is in a realm that somebody else owns (mode existing).
    USER_NOT_FOUND = "user_not_found"
    USER_NOT_UNIQUE = "user_not_unique"
    USER_DISABLED = "user_disabled"
    USER_LINKED_ELSEWHERE = "user_linked_elsewhere"
    EMAIL_MISSING = "email_missing"
    EMAIL_NOT_ALLOWED = "email_not_allowed"
    # Talkdesk.
    TALKDESK_UNKNOWN = "talkdesk_unknown"
    TALKDESK_REFUSED = "talkdesk_refused"
    TALKDESK_FAILED = "talkdesk_failed"
    CODE_MISSING = "code_missing"
    CREDENTIALS_RETIRED = "credentials_retired"
    PERSON_UNKNOWN = "person_unknown"
    SIGNED_OUT_MEANWHILE = "signed_out_meanwhile"
    # Keycloak's answer to a launch.
    ISSUER_WRONG = "issuer_wrong"
    KEYCLOAK_REFUSED = "keycloak_refused"
    KEYCLOAK_FAILED = "keycloak_failed"
    ID_TOKEN_WRONG = "id_token_wrong"  # noqa: S105 (a reason, not a token)
    SESSION_NOT_OURS = "session_not_ours"
    SESSION_STAYS = "session_stays"
    # Ourselves.
    CROWDED = "crowded"
    STORAGE_UNAVAILABLE = "storage_unavailable"
    UNEXPECTED = "unexpected"


AS_INTENDED = frozenset(
    {
        Reason.INSTALLATION_INACTIVE,
        Reason.INSTALLATION_SUSPENDED,
        Reason.TRIAL_EXPIRED,
        Reason.ACCOUNT_NOT_LISTED,
        Reason.USER_REMOVED,
        Reason.IDENTITY_PROVIDER_DISABLED,
        Reason.SIGNED_OUT_MEANWHILE,
    }
)
"""Somebody closed this door on purpose: on record, but nothing that anybody has to be woken up for."""


@dataclass(frozen=True)
class Failure:
    """One record of a failed sign-on; holds no secret and no token."""

    reference: str
    at: datetime
    stage: Stage
    reason: str
    """A `Reason`; or one of a former version's, on an old record."""
    detail: str
    """For the log and the operator; never shown on the page."""
    installation: str | None
    hint: str | None
    """`talkdesk_user_id` of the launch: who was expected, not who it was."""
    upstream_status: int | None


@dataclass(frozen=True)
class Streak:
    """Sign-ons of one installation that failed in a row: no launch reached its app in between, and no day went by without one."""

    in_a_row: int
    last: Failure
