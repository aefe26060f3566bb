"""Whose turn it is, and how often fields of an identity provider were written again."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "turn",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text()),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.Column("done_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_turn")),
    )
    op.create_table(
        "repair",
        sa.Column("number", _NUMBER, nullable=False),
        sa.Column("alias", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("repaired_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_repair")),
    )
    op.create_index(op.f("ix_repair_alias"), "repair", ["alias"])
    op.create_index(op.f("ix_repair_repaired_at"), "repair", ["repaired_at"])
    op.add_column("identity_provider", sa.Column("contested_at", sa.BigInteger()))
