"""Alembic's entry: runs within the transaction of the connection that it is given, so a revision is applied whole or not at all."""

from alembic import context

from broker.storage.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,  # SQLite changes a table by copying it
)
with context.begin_transaction():
    context.run_migrations()
