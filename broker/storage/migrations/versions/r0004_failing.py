"""How many sign-ons of an installation failed in a row."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "failing",
        sa.Column("installation_id", sa.Text(), nullable=False),
        sa.Column("in_a_row", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("last_reference", sa.Text(), nullable=False),
        sa.Column("alerted_at", sa.BigInteger()),
        sa.ForeignKeyConstraint(["installation_id"], ["installation.id"], name=op.f("fk_failing_installation_id")),
        sa.PrimaryKeyConstraint("installation_id", name=op.f("pk_failing")),
    )
