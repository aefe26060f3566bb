"""Which key seals each value, and what is looked for when old records are erased."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_SEALED = (("event", "body"), ("fact", "credentials"), ("one_time", "content"), ("issuer_key", "jwk"))


def upgrade() -> None:
    for table, column in _SEALED:
        # The second byte of what is sealed is the length of the key id, which follows. The database reads it itself, so no statement
        # that changes a value can leave a wrong id beside it.
        op.execute(f"ALTER TABLE {table} ADD COLUMN {column}_key TEXT GENERATED ALWAYS AS {_key_id_of(column)}")
        op.create_index(op.f(f"ix_{table}_{column}_key"), table, [f"{column}_key"])
    kept = sa.text("body IS NOT NULL")
    op.create_index("ix_event_body_kept", "event", ["received_at"], sqlite_where=kept, postgresql_where=kept)
    op.create_index(op.f("ix_failure_at"), "failure", ["at"])


def _key_id_of(column: str) -> str:
    if op.get_bind().dialect.name == "sqlite":
        return f"(CAST(substr({column}, 3, unicode(substr({column}, 2, 1))) AS TEXT)) VIRTUAL"
    # An id is printable ASCII without a backslash, which this leaves as it is; `convert_from` is not allowed in such a column.
    return f"(encode(substr({column}, 3, get_byte({column}, 1)), 'escape')) STORED"
