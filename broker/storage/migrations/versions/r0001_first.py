"""The first schema: a copy of `schema.py` as it was, so that later changes there do not change history."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Only INTEGER counts up by itself on SQLite.
_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _events()
    _facts()
    _converging()
    _sign_ons()
    _records()


def _events() -> None:
    op.create_table(
        "event",
        sa.Column("number", _NUMBER, nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("installation_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text()),
        sa.Column("created_at", sa.BigInteger()),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary()),
        sa.Column("answer", sa.Text()),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_event")),
        sa.UniqueConstraint(
            "event_id", "app_id", "type", "installation_id", name=op.f("uq_event_event_id_app_id_type_installation_id")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_event_installation_id"), "event", ["installation_id"])
    op.create_table(
        "installation",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("app_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_installation")),
        sa.UniqueConstraint("slug", name=op.f("uq_installation_slug")),
    )
    op.create_index(op.f("ix_installation_account_id"), "installation", ["account_id"])


def _facts() -> None:
    op.create_table(
        "fact",
        sa.Column("event", _NUMBER, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("installation_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("credentials", sa.LargeBinary()),
        sa.ForeignKeyConstraint(["event"], ["event.number"], name=op.f("fk_fact_event")),
        sa.ForeignKeyConstraint(["installation_id"], ["installation.id"], name=op.f("fk_fact_installation_id")),
        sa.PrimaryKeyConstraint("event", "position", name=op.f("pk_fact")),
    )
    op.create_index(op.f("ix_fact_installation_id"), "fact", ["installation_id"])
    op.create_table(
        "user_logout",
        sa.Column("number", _NUMBER, nullable=False),
        sa.Column("event", _NUMBER, nullable=False),
        sa.Column("installation_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("email", sa.Text()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["event"], ["event.number"], name=op.f("fk_user_logout_event")),
        sa.ForeignKeyConstraint(["installation_id"], ["installation.id"], name=op.f("fk_user_logout_installation_id")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_user_logout")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_user_logout_account_id_email_created_at"), "user_logout", ["account_id", "email", "created_at"]
    )
    op.create_index(
        op.f("ix_user_logout_account_id_user_id_created_at"), "user_logout", ["account_id", "user_id", "created_at"]
    )


def _converging() -> None:
    op.create_table(
        "task",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("lease", sa.Integer(), nullable=False),
        sa.Column("owner", sa.Text()),
        sa.Column("lease_until", sa.BigInteger()),
        sa.Column("error", sa.Text()),
        sa.PrimaryKeyConstraint("kind", "key", name=op.f("pk_task")),
    )
    op.create_index(op.f("ix_task_state_due_at"), "task", ["state", "due_at"])
    op.create_index(op.f("ix_task_state_kind_due_at"), "task", ["state", "kind", "due_at"])
    op.create_index(op.f("ix_task_state_lease_until"), "task", ["state", "lease_until"])
    op.create_table(
        "identity_provider",
        sa.Column("alias", sa.Text(), nullable=False),
        sa.Column("installation_id", sa.Text(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("was_live", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("alias", name=op.f("pk_identity_provider")),
        sa.UniqueConstraint(
            "installation_id", "generation", name=op.f("uq_identity_provider_installation_id_generation")
        ),
    )


def _sign_ons() -> None:
    op.create_table(
        "one_time",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("is_consumed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "digest", name=op.f("pk_one_time")),
    )
    op.create_index(op.f("ix_one_time_expires_at"), "one_time", ["expires_at"])
    op.create_table(
        "sign_on",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("sid", sa.Text(), nullable=False),
        sa.Column("installation_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("email", sa.Text()),
        sa.Column("sub", sa.Text(), nullable=False),
        sa.Column("begun_at", sa.BigInteger(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("alias", sa.Text(), nullable=False),
        sa.Column("is_told", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_on")),
        sa.UniqueConstraint("sid", name=op.f("uq_sign_on_sid")),
    )
    op.create_index(op.f("ix_sign_on_account_id_email_begun_at"), "sign_on", ["account_id", "email", "begun_at"])
    op.create_index(op.f("ix_sign_on_account_id_is_told_begun_at"), "sign_on", ["account_id", "is_told", "begun_at"])
    op.create_index(op.f("ix_sign_on_account_id_user_id_begun_at"), "sign_on", ["account_id", "user_id", "begun_at"])
    op.create_table(
        "account",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("user_id_source", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
    )


def _records() -> None:
    op.create_table(
        "issuer_key",
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kid", sa.Text(), nullable=False),
        sa.Column("jwk", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_issuer_key")),
        sa.UniqueConstraint("kid", name=op.f("uq_issuer_key_kid")),
    )
    op.create_table(
        "failure",
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("installation", sa.Text()),
        sa.Column("hint", sa.Text()),
        sa.Column("upstream_status", sa.Integer()),
        sa.PrimaryKeyConstraint("reference", name=op.f("pk_failure")),
    )
    op.create_table(
        "meta",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_meta")),
    )
