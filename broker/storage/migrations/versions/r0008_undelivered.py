"""Alerts of sign-outs that did not reach an app; sign-ons in sessions that are not ours."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "undelivered",
        sa.Column("relay", sa.Text(), nullable=False),
        sa.Column("untold", sa.Integer(), nullable=False),
        sa.Column("latest", _NUMBER, nullable=False),
        sa.Column("alerted_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("relay", name=op.f("pk_undelivered")),
    )
    op.add_column("sign_on", sa.Column("foreign_session", sa.Text()))
