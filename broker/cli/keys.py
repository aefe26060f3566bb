"""`broker keys`: which sealing key seals what, and sealing anew."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from broker.cli import options, output
from broker.cli.audit import run_audited
from broker.cli.opening import end, fail, run, sealer_or_exit, unproven_sealer_or_exit
from broker.errors import SealError
from broker.issuer.rotation import PUBLISHED_BEFORE, begin_rotation
from broker.storage.database import Database
from broker.storage.sealed_values import KeyUse, SealedValues
from broker.storage.sealing import Sealer
from broker.storage.sql_issuer_keys import SqlIssuerKeys

app = typer.Typer(help="Keys that seal what is secret in the database.", no_args_is_help=True)

_COLUMNS = ("key", "role", "what", "values")


@app.command()
def status(as_json: options.AsJson = False) -> None:
    """Show which sealing keys are given, and how many values each key seals. No key is shown.

    A key that seals nothing, and is not the first one, can be taken out of the settings. Ends with 2 where a key that is in use is
    missing, or is another one of the same id: the service would not start.
    """
    sealer = unproven_sealer_or_exit()
    uses, problems = run(lambda database: _read(database, sealer))
    rows = _rows(sealer, uses)
    if as_json:
        output.print_objects(rows)
    else:
        output.print_table(rows, _COLUMNS)
    if problems:
        end("\n".join(map(str, problems)), exit_code=2)


Issuer = Annotated[bool, typer.Option("--issuer", help="A new key for what the issuers sign, instead.")]


@app.command()
def rotate(*, issuer: Issuer = False) -> None:
    """Seal anew, with the first key, everything that another key seals; or begin a rotation of the issuers' key.

    Before: put the new key first, keep the old one after it, and start every service again. This can run beside them, can be
    stopped at any time, and goes on where it was. Then take the old key out; nothing starts without it while it is still in use.
    With --issuer nothing is sealed anew: a new key is published at once and signs ten minutes later, and the old one goes an hour after that.
    """
    sealer = sealer_or_exit()
    if issuer:
        if not run_audited(
            lambda database: begin_rotation(SqlIssuerKeys(database, sealer)), "keys rotate", "of the issuers"
        ):
            fail("A new key waits for its turn already.")
        typer.echo(f"A new key is published, and signs in {PUBLISHED_BEFORE // timedelta(minutes=1)} minutes.")
        return
    values = run_audited(lambda database: _seal_anew(database, sealer), "keys rotate", f"to key {sealer.first!r}")
    typer.echo(f"Sealed anew with key {sealer.first!r}: {values} values. No other key seals anything now.")


async def _read(database: Database, sealer: Sealer) -> tuple[Sequence[KeyUse], Sequence[SealError]]:
    values = SealedValues(database, sealer)
    return await values.uses(), await values.problems()


async def _seal_anew(database: Database, sealer: Sealer) -> int:
    values = SealedValues(database, sealer)
    total = sum(use.values for use in await values.uses() if use.key != sealer.first)
    done = 0
    with _progress() as progress:
        task = progress.add_task("sealing anew", total=total)
        async for count in values.rotate():
            done += count
            progress.update(task, completed=done, total=max(total, done))
    return done


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))


def _rows(sealer: Sealer, uses: Sequence[KeyUse]) -> Sequence[output.Shown]:
    used = {use.key for use in uses}
    unused = [KeyUse(key, "nothing", 0) for key in sealer.keys if key not in used]
    rows = [*uses, *unused]
    return [{"key": use.key, "role": _role(sealer, use.key), "what": use.what, "values": use.values} for use in rows]


def _role(sealer: Sealer, key: str) -> str:
    if key == sealer.first:
        return "seals"
    return "opens" if key in sealer.keys else "missing"
