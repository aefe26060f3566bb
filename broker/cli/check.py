"""`broker check`: is everything as it should be, and if not, what is to be done?"""

import asyncio
from functools import partial

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from broker.check.finding import Finding, Verdict
from broker.check.realm_plan import RealmPlan
from broker.check.run import look
from broker.cli import options, output
from broker.cli.administrator import (
    Administrator,
    AdminPasswordFile,
    AdminRealm,
    AdminUsername,
    administration,
    administrator,
)
from broker.cli.opening import utc_now
from broker.cli.realm import realm_needs
from broker.converge.realm.plan import make_plan
from broker.settings import ConfigFile, Settings, SettingsError, load_for_administrator

_STYLE = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.WRONG: "bold red"}
_WIDE = 400
"""Columns of an output that is no terminal."""


def check(
    admin_username: AdminUsername = None,
    admin_realm: AdminRealm = "master",
    admin_password_file: AdminPasswordFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Look at everything that the service needs: settings, database, keys, clocks, Keycloak, Talkdesk. One line each, with the mend.

    Changes nothing. The realm as a whole is looked at where an administrator of it is named.
    Ends with 0 where nothing is wrong (there may be warnings), 1 where something is, 2 where the settings are.
    """
    try:
        settings, config = load_for_administrator()
    except SettingsError as error:
        lines = [Finding("settings", Verdict.WRONG, line, "docs/settings.md") for line in str(error).splitlines()]
        _print(lines, as_json=as_json)
        raise typer.Exit(2) from None
    findings = [Finding("settings", Verdict.OK, "each is right by itself, and they fit together")]
    who = administrator(admin_username, admin_realm, admin_password_file) if admin_username else None
    plan_realm = partial(_plan, settings, config, who) if who else None
    findings += asyncio.run(look(settings, config, utc_now, plan_realm))
    _print(findings, as_json=as_json)
    if any(each.verdict is Verdict.WRONG for each in findings):
        raise typer.Exit(1)


async def _plan(settings: Settings, config: ConfigFile, who: Administrator) -> RealmPlan:
    async with administration(settings, who) as realm:
        plan = await make_plan(realm, realm_needs(settings, config))
    return RealmPlan(len(plan.changes), len(plan.warnings))


def _print(findings: list[Finding], *, as_json: bool) -> None:
    if as_json:
        output.print_objects([output.shown(each) for each in findings])
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=False)
    for _ in range(3):
        table.add_column(overflow="fold")
    for each in findings:
        text = output.clean(each.found) + (f"\n→ {output.clean(each.mend)}" if each.mend else "")
        table.add_row(Text(each.verdict.value, style=_STYLE[each.verdict]), each.check, Text(text))
    console = Console(highlight=False)
    (console if console.is_terminal else Console(highlight=False, width=_WIDE)).print(table)
