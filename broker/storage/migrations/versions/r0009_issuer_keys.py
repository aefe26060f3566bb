"""Issuer keys take turns: from when each signs."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("issuer_key", sa.Column("signs_from", sa.BigInteger(), server_default="0", nullable=False))
