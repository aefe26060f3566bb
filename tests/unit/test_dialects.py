"""What SQLite and PostgreSQL say differently."""

import time

from sqlalchemy import create_engine, select
from sqlalchemy.dialects import postgresql

from broker.storage.dialects import db_now_ms


def test_the_clock_of_sqlite_is_the_time_to_the_millisecond() -> None:
    """It lies between two looks at the machine's own clock."""
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        before = time.time_ns() // 1_000_000
        told = connection.execute(select(db_now_ms())).scalar_one()
        after = time.time_ns() // 1_000_000
    engine.dispose()
    # SQLite rounds where the other two cut off.
    assert before - 1 <= told <= after + 1


def test_the_clock_of_postgresql_runs_within_a_transaction() -> None:
    """`now()` would stand still from the transaction's begin."""
    statement = select(db_now_ms()).compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call]
    assert "clock_timestamp()" in str(statement)
