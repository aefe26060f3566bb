"""`broker realm`: brings the realm to what the broker needs of it, and nothing more."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from json import dumps
from typing import Any, TypeVar

import typer

from broker.cli import options, output
from broker.cli.administrator import (
    Administrator,
    AdminPasswordFile,
    AdminRealm,
    AdminUsername,
    administration,
    administrator,
)
from broker.cli.audit import run_audited
from broker.cli.opening import end, fail, missing_database, settings_or_exit
from broker.converge.realm.plan import carry_out, make_plan
from broker.converge.realm.wanted import RealmNeeds
from broker.errors import KeycloakError
from broker.model.realm_setup import Change, Difference, Part, Plan
from broker.ports import RealmAdministration
from broker.settings import ConfigFile, Settings, load_for_administrator

app = typer.Typer(help="The realm at Keycloak: what the broker needs of it.", no_args_is_help=True)

T = TypeVar("T")


@app.command()
def plan(
    admin_username: AdminUsername = None,
    admin_realm: AdminRealm = "master",
    admin_password_file: AdminPasswordFile = None,
    as_json: options.AsJson = False,
) -> None:
    """Show what `realm apply` would change, and what only the realm's administrator can decide. Writes nothing.

    Ends with 2 where something is to be done.
    """
    settings, config = settings_or_exit(load_for_administrator)
    who = administrator(admin_username, admin_realm, admin_password_file)
    found = _as_administrator(settings, who, lambda realm: make_plan(realm, realm_needs(settings, config)))
    if as_json:
        output.print_objects(as_objects(found))
    else:
        _print_plan(settings, found)
    if found.changes:
        raise typer.Exit(2)


@app.command()
def apply(
    admin_username: AdminUsername = None,
    admin_realm: AdminRealm = "master",
    admin_password_file: AdminPasswordFile = None,
    yes: options.Yes = False,
) -> None:
    """Show the plan, ask, and carry it out. A second time there is nothing to do.

    The administrator's account is used for this command only, and kept nowhere. What was done is on record (`broker audit list`) where
    there is a database: a realm may well be made before it.
    """
    settings, config = settings_or_exit(load_for_administrator)
    who = administrator(admin_username, admin_realm, admin_password_file)
    needs = realm_needs(settings, config)
    found = _as_administrator(settings, who, lambda realm: make_plan(realm, needs))
    _print_plan(settings, found)
    if found.unseen:
        fail("This account may not see all of the realm, and so not change it.")
    if not found.changes:
        return
    if not yes:
        typer.confirm(f"Make these {len(found.changes)} changes?", abort=True)
    _carry_out_on_record(settings, who, found)
    left = _as_administrator(settings, who, lambda realm: make_plan(realm, needs))
    if left.changes:
        _print_plan(settings, left)
        fail(
            "Not everything is as it should be: somebody else changes the realm at the same time, or Keycloak did not take it."
        )
    typer.echo("The realm is what the broker needs.")


def realm_needs(settings: Settings, config: ConfigFile) -> RealmNeeds:
    """What the settings say of the realm."""
    return RealmNeeds(
        makes_users=settings.users == "own",
        public_url=settings.public_url,
        client_id=settings.keycloak_client_id,
        client_secret=settings.keycloak_client_secret.get_secret_value(),
        launch_client_id=settings.keycloak_launch_client_id,
        launch_client_secret=settings.keycloak_launch_client_secret.get_secret_value(),
        relay_urls={each.client_id: f"{settings.internal_base}/relay/{each.slug}" for each in config.relays},
        match_rules=frozenset(each.match for each in config.accounts if each.match),
        ends_foreign_sessions=settings.end_foreign_sessions,
    )


def as_objects(plan: Plan) -> list[output.Shown]:
    """The plan for programs: changes, warnings, parts that could not be seen."""
    changes = [
        {
            "what": "change",
            "part": each.part.value,
            "name": each.name,
            "is_new": each.is_new,
            "differences": [asdict(difference) for difference in each.differences],
        }
        for each in plan.changes
    ]
    warnings = [{"what": "warning", "code": each.code, "sentence": each.sentence} for each in plan.warnings]
    unseen = [{"what": "unseen", "part": part.value} for part in plan.unseen]
    return [*changes, *warnings, *unseen]


def _carry_out_on_record(settings: Settings, who: Administrator, plan: Plan) -> None:
    def work(realm: RealmAdministration) -> Awaitable[None]:
        return carry_out(realm, plan, _say_done)

    if missing := missing_database(settings):
        typer.echo(f"There is no database at {missing} yet: this is not put on record.", err=True)
        _as_administrator(settings, who, work)
        return
    about = f"{len(plan.changes)} changes of the realm {settings.keycloak_realm}"
    with _explaining(settings, who):
        run_audited(lambda _: _connected(settings, who, work), "realm apply", about, settings)


def _as_administrator(settings: Settings, who: Administrator, work: Callable[[RealmAdministration], Awaitable[T]]) -> T:
    """What the work makes of the realm; ends the command where Keycloak does not do as it is told."""
    with _explaining(settings, who):
        return asyncio.run(_connected(settings, who, work))


async def _connected(settings: Settings, who: Administrator, work: Callable[[RealmAdministration], Awaitable[T]]) -> T:
    async with administration(settings, who) as realm:
        return await work(realm)


@contextmanager
def _explaining(settings: Settings, who: Administrator) -> Iterator[None]:
    try:
        yield
    except KeycloakError as error:
        end(_explained(error, settings, who), exit_code=1)


def _explained(error: KeycloakError, settings: Settings, who: Administrator) -> str:
    text = output.clean(str(error))
    if text.startswith("access token") and error.status in (400, 401):
        return f"Keycloak does not take the account {output.clean(who.username)} of the realm {output.clean(who.realm)}, or its password."
    if error.status == 404 and text.startswith("read the realm"):
        return f"There is no realm {settings.keycloak_realm} at {settings.keycloak_base}: make it, or import realm-config/."
    return f"{text}."


def _print_plan(settings: Settings, plan: Plan) -> None:
    version = f" (Keycloak {plan.version})" if plan.version else ""
    typer.echo(f"Realm {settings.keycloak_realm} at {settings.keycloak_base}{version}, mode {settings.users}")
    for change in plan.changes:
        typer.echo(f"\n{_title(change)}")
        for difference in change.differences:
            typer.echo(f"    {_line(change, difference)}")
    if plan.warnings:
        typer.echo("\nTo know:")
    for warning in plan.warnings:
        typer.echo(f"  ! {output.clean(warning.sentence)}")
    if plan.unseen:
        typer.echo(f"\nNot seen, since this account may not: {', '.join(plan.unseen)}.")
    typer.echo("\nNothing is to be done." if not plan.changes else f"\n{len(plan.changes)} changes are to be made.")


def _title(change: Change) -> str:
    name = f" {output.clean(change.name)!r}" if change.name else ""
    return f"  {'+' if change.is_new else '~'} {change.part.value}{name}{' (new)' if change.is_new else ''}"


def _line(change: Change, difference: Difference) -> str:
    name = output.clean(difference.field)
    if change.part in (Part.DEFAULT_SCOPES, Part.ACCOUNT_ROLES):
        return f"+ {name}"
    if difference.found is None and change.is_new:
        return f"{name}: {_shown(difference.wanted)}"
    if difference.wanted is None:
        return f"{name}: {_shown(difference.found)} → gone"
    return f"{name}: {_shown(difference.found)} → {_shown(difference.wanted)}"


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, str):
        return output.clean(value)
    if isinstance(value, Sequence | Mapping):
        return output.clean(dumps(value, ensure_ascii=False))
    return {True: "on", False: "off"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def _say_done(change: Change) -> None:
    typer.echo(f"done: {change.part.value} {output.clean(change.name)}".rstrip())
