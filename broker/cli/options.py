"""Options that several commands share."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

_AGE = re.compile(r"(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def _read_since(text: str) -> datetime:
    age = _AGE.fullmatch(text)
    if age:
        return datetime.now(UTC) - timedelta(**{_UNITS[age[2]]: int(age[1])})
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter("not an age (30m, 12h, 7d) and not a time (2026-11-25T12:00)") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


AsJson = Annotated[bool, typer.Option("--json", help="A JSON list of objects, for programs.")]
Yes = Annotated[bool, typer.Option("--yes", help="Don't ask.")]
Limit = Annotated[int, typer.Option(min=0, help="At most so many rows; 0: all of them.")]
Since = Annotated[
    datetime | None,
    typer.Option(
        parser=_read_since, metavar="AGE|TIME", help="Since then: 30m, 12h, 7d, or a time (UTC where it names no zone)."
    ),
]
ByInstallation = Annotated[str | None, typer.Option("--installation", metavar="ID", help="Of this installation.")]
ByAccount = Annotated[str | None, typer.Option("--account", metavar="ID", help="Of this Talkdesk account.")]
ByApp = Annotated[str | None, typer.Option("--app", metavar="ID", help="Of this app, by its id at Talkdesk.")]
ByUser = Annotated[str | None, typer.Option("--user", metavar="ID", help="Of this user, by Talkdesk's id.")]
