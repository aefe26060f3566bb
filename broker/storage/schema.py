"""Tables. Each change here has a migration in `migrations`; a test compares the two.

Every query of a request goes by an index: nothing in a request grows with the number of installations. Columns that are said to be
sealed hold what `sealing` makes; times are milliseconds since the epoch.

Beside each sealed column stands the id of the key that seals it, which the database takes from the value, with an index: so the keys in
use are known, and the values of an old key are found, without reading all of them.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    FetchedValue,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.engine import Dialect

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Instant(TypeDecorator[datetime]):
    """An aware time, kept as milliseconds since the epoch; what is finer is cut off."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """To the database."""
        return None if value is None else (value - _EPOCH) // _MILLISECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """From the database."""
        return None if value is None else _EPOCH + value * _MILLISECOND


_BODY_KEPT = text("body IS NOT NULL")

# Only INTEGER counts up by itself on SQLite.
_Number = BigInteger().with_variant(Integer(), "sqlite")

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

event = Table(
    "event",
    metadata,
    Column("number", _Number, primary_key=True),
    Column("event_id", Text, nullable=False),
    Column("app_id", Text, nullable=False),
    Column("type", Text, nullable=False),
    # '' where the event names none: NULL would be different from itself, and the same event twice no duplicate.
    Column("installation_id", Text, nullable=False),
    Column("account_id", Text),
    Column("created_at", Instant),
    Column("received_at", Instant, nullable=False),
    Column("state", Text, nullable=False),
    Column("body", LargeBinary),  # sealed; NULL once erased
    Column("body_key", Text, FetchedValue(), index=True),
    Column("answer", Text),
    UniqueConstraint("event_id", "app_id", "type", "installation_id"),
    Index(None, "installation_id"),
    # Erased ones are not in it: that nothing is left to erase is found at once, however many there were.
    Index("ix_event_body_kept", "received_at", sqlite_where=_BODY_KEPT, postgresql_where=_BODY_KEPT),
    sqlite_autoincrement=True,  # a number is the key of a task: never used twice
)

installation = Table(
    "installation",
    metadata,
    Column("id", Text, primary_key=True),
    Column("slug", Text, nullable=False, unique=True),
    Column("app_id", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("suspended_at", Instant),  # by the operator; never both of these
    Column("resumed_at", Instant),
    Column("suspect_since", Instant),  # since when Talkdesk refuses its credentials
    Index(None, "account_id"),
)

fact = Table(
    "fact",
    metadata,
    Column("event", ForeignKey("event.number"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("installation_id", ForeignKey("installation.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("content", Text, nullable=False),
    Column("credentials", LargeBinary),  # sealed; NULL where there are none, or they are erased
    Column("credentials_key", Text, FetchedValue(), index=True),
    Column("proven_at", Instant),  # of rotated credentials: when Talkdesk first gave a token for them
    Index(None, "installation_id"),
)

licence = Table(
    "licence",
    metadata,
    Column("event", ForeignKey("event.number"), primary_key=True),
    Column("user_id", Text, primary_key=True),
    Column("installation_id", ForeignKey("installation.id"), nullable=False),
    Column("is_removed", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    Index(None, "installation_id", "user_id"),
)

user_logout = Table(
    "user_logout",
    metadata,
    Column("number", _Number, primary_key=True),
    Column("event", ForeignKey("event.number"), nullable=False),
    Column("installation_id", ForeignKey("installation.id"), nullable=False),
    Column("account_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("email", Text),  # in lower case
    Column("created_at", Instant, nullable=False),
    Index(None, "event"),
    Index(None, "account_id", "user_id", "created_at"),
    Index(None, "account_id", "email", "created_at"),
    sqlite_autoincrement=True,
)

task = Table(
    "task",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("lease", Integer, nullable=False),  # counts claims, so that a former lease is told from the present one
    Column("owner", Text),
    Column("lease_until", BigInteger),
    Column("error", Text),
    Column("request_id", Text),  # of the request that asked for it last, for the log
    Index(None, "state", "kind", "due_at"),
    Index(None, "state", "due_at"),
    Index(None, "state", "lease_until"),
)

identity_provider = Table(
    "identity_provider",
    metadata,
    Column("alias", Text, primary_key=True),
    Column("installation_id", Text, nullable=False),
    Column("generation", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("was_live", Boolean, nullable=False),
    Column("contested_at", Instant),  # when it was last said that somebody else writes our fields as well
    UniqueConstraint("installation_id", "generation"),
)

repair = Table(
    "repair",
    metadata,
    Column("number", _Number, primary_key=True),
    Column("alias", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("repaired_at", Instant, nullable=False),
    Index(None, "alias"),
    Index(None, "repaired_at"),
)

turn = Table(
    "turn",
    metadata,
    Column("name", Text, primary_key=True),
    Column("owner", Text),
    Column("lease_until", BigInteger, nullable=False),
    Column("done_at", BigInteger),
)

one_time = Table(
    "one_time",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("digest", Text, primary_key=True),  # SHA-256 of the value
    Column("content", LargeBinary, nullable=False),  # sealed
    Column("content_key", Text, FetchedValue(), index=True),
    Column("expires_at", Instant, nullable=False),
    Column("is_consumed", Boolean, nullable=False),
    Column("holder", Text),  # for whom it is kept, where somebody has to know whether there are any left
    Index(None, "expires_at"),
    Index(None, "kind", "holder"),
)

UNTOLD = text("NOT is_told")
"""In the words of the index: said otherwise, SQLite does not use it."""

sign_on = Table(
    "sign_on",
    metadata,
    Column("id", Text, primary_key=True),
    Column("sid", Text, nullable=False, unique=True),
    Column("installation_id", Text, nullable=False),
    Column("account_id", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("email", Text),  # in lower case
    Column("sub", Text, nullable=False),
    Column("begun_at", Instant, nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("state", Text, nullable=False),
    Column("alias", Text, nullable=False),
    Column("is_told", Boolean, nullable=False),  # Keycloak knows that it has ended
    Column("ended_at", Instant),
    Column("ended_by", _Number),  # `logout` that ended it first; NULL where the next launch did, or time
    Column("told_at", Instant),
    Column("told_status", Integer),  # what Keycloak answered then; NULL where nobody was asked
    Column("telling_until", BigInteger),  # somebody tells Keycloak of it just now
    Column("keycloak_session", Text),  # Keycloak's own ids, by which its logout tokens name them; NULL until seen
    Column("keycloak_user", Text),
    Column("foreign_session", Text),  # Keycloak's id of a session that is not ours, in which the person was proven
    Index(None, "account_id", "user_id", "begun_at"),
    Index(None, "account_id", "email", "begun_at"),
    Index(None, "account_id", "is_told", "begun_at"),
    Index(None, "ended_by"),
    Index(None, "keycloak_session"),
    Index(None, "keycloak_user"),
    # Those that Keycloak was told of are not in it, however many there were.
    Index("ix_sign_on_untold", "created_at", sqlite_where=UNTOLD, postgresql_where=UNTOLD),
)

logout = Table(
    "logout",
    metadata,
    Column("number", _Number, primary_key=True),
    Column("cause", Text, nullable=False),
    Column("subject", Text, nullable=False),  # names it within its cause
    Column("event", _Number),
    Column("account_id", Text, nullable=False),
    Column("user_id", Text),  # NULL: everybody of the account
    Column("installation_id", Text, nullable=False),
    Column("asked_at", Instant, nullable=False),
    Column("told_at", Instant),  # when Keycloak had answered for every session
    Column("completed_at", Instant),  # when every app had confirmed, too
    Column("problem", Text),  # why it is not told yet, or what Keycloak could not do
    UniqueConstraint("cause", "subject"),
    Index(None, "account_id", "user_id"),
    Index(None, "asked_at"),
    sqlite_autoincrement=True,
)

delivery = Table(
    "delivery",
    metadata,
    Column("number", _Number, primary_key=True),
    Column("relay", Text, nullable=False),
    Column("jti", Text, nullable=False),
    Column("keycloak_session", Text),
    Column("keycloak_user", Text),
    Column(
        "logout", _Number
    ),  # NULL where none of ours ended the session: an app, an administrator or the next launch did
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("answer", Text),  # what the last try ended with
    Column("received_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("settled_at", Instant),  # when it was confirmed, refused, or given up
    UniqueConstraint("relay", "jti"),
    Index(None, "relay", "state", "due_at"),
    Index(None, "logout", "state"),
    Index(None, "received_at"),
    sqlite_autoincrement=True,
)

undelivered = Table(
    "undelivered",
    metadata,
    Column("relay", Text, primary_key=True),
    Column(
        "untold", Integer, nullable=False
    ),  # logout tokens that were not delivered and that the operator was not told of
    Column("latest", _Number, nullable=False),  # of them; a delivery, which is deleted after a while
    Column("alerted_at", Instant),
)

account = Table(
    "account",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id_source", Text, nullable=False),
)

issuer_key = Table(
    "issuer_key",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("kid", Text, nullable=False, unique=True),
    Column("signs_from", BigInteger, nullable=False, server_default="0"),  # ms by the database's clock
    Column("jwk", LargeBinary, nullable=False),  # sealed
    Column("jwk_key", Text, FetchedValue(), index=True),
)

failure = Table(
    "failure",
    metadata,
    Column("reference", Text, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("stage", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("installation", Text),
    Column("hint", Text),
    Column("upstream_status", Integer),
    Index(None, "at"),
)

failing = Table(
    "failing",
    metadata,
    Column("installation_id", ForeignKey("installation.id"), primary_key=True),
    Column("in_a_row", Integer, nullable=False),
    Column("last_at", Instant, nullable=False),
    Column("last_reference", Text, nullable=False),  # of a failure, which is deleted after a while
    Column("alerted_at", Instant),
)

audit = Table(
    "audit",
    metadata,
    Column("number", _Number, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("who", Text, nullable=False),
    Column("command", Text, nullable=False),
    Column("about", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    sqlite_autoincrement=True,  # a number that comes twice would hide that a row was deleted
)

meta = Table(
    "meta",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
