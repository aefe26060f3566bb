"""Migrations by Alembic: what takes a database from one revision of the schema to the next.

Apart from `database`, which asks for it only where there is something to do.
"""

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def migrate(connection: Connection) -> None:
    """Bring the schema to the newest revision, in the connection's transaction."""
    command.upgrade(config(connection), "head")


def config(connection: Connection | None = None) -> Config:
    """Alembic's configuration."""
    made = Config()
    made.set_main_option("script_location", "broker.storage:migrations")
    made.attributes["connection"] = connection
    return made
