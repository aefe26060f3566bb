"""Sign-outs on record, and logout tokens that the relay delivers to apps."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _sign_ons()
    _logouts()
    _deliveries()


def _sign_ons() -> None:
    for column in (
        sa.Column("ended_at", sa.BigInteger()),
        sa.Column("ended_by", _NUMBER),
        sa.Column("told_at", sa.BigInteger()),
        sa.Column("told_status", sa.Integer()),
        sa.Column("telling_until", sa.BigInteger()),
        sa.Column("keycloak_session", sa.Text()),
        sa.Column("keycloak_user", sa.Text()),
    ):
        op.add_column("sign_on", column)
    op.create_index(op.f("ix_sign_on_ended_by"), "sign_on", ["ended_by"])
    op.create_index(op.f("ix_sign_on_keycloak_session"), "sign_on", ["keycloak_session"])
    op.create_index(op.f("ix_sign_on_keycloak_user"), "sign_on", ["keycloak_user"])
    untold = sa.text("NOT is_told")
    op.create_index("ix_sign_on_untold", "sign_on", ["created_at"], sqlite_where=untold, postgresql_where=untold)


def _logouts() -> None:
    op.create_table(
        "logout",
        sa.Column("number", _NUMBER, nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("event", _NUMBER),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text()),
        sa.Column("installation_id", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.Column("told_at", sa.BigInteger()),
        sa.Column("completed_at", sa.BigInteger()),
        sa.Column("problem", sa.Text()),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_logout")),
        sa.UniqueConstraint("cause", "subject", name=op.f("uq_logout_cause_subject")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_logout_account_id_user_id"), "logout", ["account_id", "user_id"])
    op.create_index(op.f("ix_logout_asked_at"), "logout", ["asked_at"])


def _deliveries() -> None:
    op.create_table(
        "delivery",
        sa.Column("number", _NUMBER, nullable=False),
        sa.Column("relay", sa.Text(), nullable=False),
        sa.Column("jti", sa.Text(), nullable=False),
        sa.Column("keycloak_session", sa.Text()),
        sa.Column("keycloak_user", sa.Text()),
        sa.Column("logout", _NUMBER),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("answer", sa.Text()),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("settled_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_delivery")),
        sa.UniqueConstraint("relay", "jti", name=op.f("uq_delivery_relay_jti")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_delivery_relay_state_due_at"), "delivery", ["relay", "state", "due_at"])
    op.create_index(op.f("ix_delivery_logout_state"), "delivery", ["logout", "state"])
    op.create_index(op.f("ix_delivery_received_at"), "delivery", ["received_at"])
