"""What every command on the database shares: it opens it by the settings, works beside a running service, and ends with an exit code.

0: done. 1: it could not be done. 2: the command or the settings are wrong, or they don't fit the database (sealing keys, schema).
Only the settings of the database are demanded; sealing keys, and what it takes to read an event, only by the commands that do so.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn, TypeVar

import typer

from broker.errors import SchemaError, SealError, StorageError
from broker.settings import DatabaseSettings, SettingsError, load_database_settings
from broker.storage.database import Database, open_database, require_current
from broker.storage.sealed_values import SealedValues
from broker.storage.sealing import Sealer
from broker.storage.sealing_keys import MADE_FILE, load_keys

T = TypeVar("T")

_SQLITE = "sqlite:///"


def run(
    work: Callable[[Database], Awaitable[T]], *, needs_current: bool = True, settings: DatabaseSettings | None = None
) -> T:
    """What the work makes of the database; ends the command where the settings are wrong or the database can't be used.

    `needs_current`: the schema must be this version's. `settings`: where they were read already.
    """
    settings = settings or settings_or_exit(load_database_settings)
    if missing := missing_database(settings):
        fail(f"There is no database at {missing}: the first start of `broker serve` makes it.")
    url = settings.database.get_secret_value()
    try:
        return asyncio.run(_run(url, work, needs_current))
    except StorageError as error:
        end(f"The database can't be used: {error}", exit_code=exit_code_of(error))


def missing_database(settings: DatabaseSettings) -> Path | None:
    """Where a first start would make it. Opened, it would be made by a command: one with the wrong folder would leave an empty one there."""
    url = settings.database.get_secret_value()
    file = Path(url.removeprefix(_SQLITE))
    return file if url.startswith(_SQLITE) and not file.exists() else None


def settings_or_exit(load: Callable[[], T]) -> T:
    """The settings that a command needs; exit code 2 where they are wrong."""
    try:
        return load()
    except SettingsError as error:
        typer.echo(f"The settings are wrong:\n{error}", err=True)
        raise typer.Exit(2) from None


def sealer_or_exit() -> Sealer:
    """The sealing keys, seen to open what is sealed: with others a command would seal what the service can't open."""
    sealer = unproven_sealer_or_exit()
    run(lambda database: SealedValues(database, sealer).require_keys())
    return sealer


def unproven_sealer_or_exit() -> Sealer:
    """Sealing keys that are there: a command makes none."""
    settings = settings_or_exit(load_database_settings)
    made = settings.data_dir / MADE_FILE
    given = settings.sealing_keys.get_secret_value() if settings.sealing_keys else None
    try:
        return load_keys(
            text=given, file=settings.sealing_keys_file or (made if given is None and made.exists() else None)
        )
    except SealError as error:
        end(str(error), exit_code=2)


def fail(sentence: str) -> NoReturn:
    """Say why it could not be done, and end with exit code 1."""
    end(sentence, exit_code=1)


def end(text: str, *, exit_code: int) -> NoReturn:
    """Say why, and end."""
    typer.echo(text, err=True)
    raise typer.Exit(exit_code)


def exit_code_of(error: StorageError) -> int:
    """What does not fit together has to be changed by a person; the rest may have passed at the next try."""
    return 2 if isinstance(error, SchemaError | SealError) else 1


def utc_now() -> datetime:
    """The clock of this process."""
    return datetime.now(UTC)


async def _run(url: str, work: Callable[[Database], Awaitable[T]], needs_current: bool) -> T:
    database = open_database(url)
    try:
        if needs_current:
            await require_current(database)
        return await work(database)
    finally:
        await database.close()
