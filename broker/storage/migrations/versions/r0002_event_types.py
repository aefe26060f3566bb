"""Every type of event: rotated credentials, licences, trials, suspension; the check for lost events."""

import hashlib

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_DAY_MS = 24 * 60 * 60 * 1000


def upgrade() -> None:
    op.add_column("fact", sa.Column("proven_at", sa.BigInteger()))
    for name in ("suspended_at", "resumed_at", "suspect_since"):
        op.add_column("installation", sa.Column(name, sa.BigInteger()))
    op.add_column("one_time", sa.Column("holder", sa.Text()))
    op.create_index(op.f("ix_one_time_kind_holder"), "one_time", ["kind", "holder"])
    op.create_index(op.f("ix_user_logout_event"), "user_logout", ["event"])
    op.create_table(
        "licence",
        sa.Column("event", _NUMBER, nullable=False),
        sa.Column("user_id", sa.Text(), nullable=False),
        sa.Column("installation_id", sa.Text(), nullable=False),
        sa.Column("is_removed", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["event"], ["event.number"], name=op.f("fk_licence_event")),
        sa.ForeignKeyConstraint(["installation_id"], ["installation.id"], name=op.f("fk_licence_installation_id")),
        sa.PrimaryKeyConstraint("event", "user_id", name=op.f("pk_licence")),
    )
    op.create_index(op.f("ix_licence_installation_id_user_id"), "licence", ["installation_id", "user_id"])
    _check_what_is_there()


def _check_what_is_there() -> None:
    """A first check for each installation that is known, spread over a day."""
    connection = op.get_bind()
    task = sa.table("task", *(sa.column(name) for name in _TASK))
    for (installation,) in connection.execute(sa.text("SELECT id FROM installation")).all():
        share = int.from_bytes(hashlib.sha256(installation.encode()).digest()[:4]) / 2**32
        due_at = _now_ms(connection) + int(share * _DAY_MS)
        row = {"kind": "check", "key": installation, "state": "waiting", "due_at": due_at}
        connection.execute(sa.insert(task).values(**row, generation=1, attempts=0, lease=0))


_TASK = ("kind", "key", "state", "due_at", "generation", "attempts", "lease")


def _now_ms(connection: sa.Connection) -> int:
    clock = (
        "SELECT CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"
        if connection.dialect.name == "sqlite"
        else "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)"
    )
    now: int = connection.execute(sa.text(clock)).scalar_one()
    return now
