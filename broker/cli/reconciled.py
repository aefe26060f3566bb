"""What `broker reconcile` prints: each finding, and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import typer

from broker.cli import output
from broker.converge.findings import WILL, Finding, FindingKind
from broker.converge.reconcile import Plan
from broker.model.names import Alias, InstallationId
from broker.model.task import LastTry

_COLUMNS = ("finding", "alias", "installation", "detail", "what")


@dataclass
class Reconciled:
    """What became of a plan."""

    tried: dict[InstallationId, LastTry] = field(default_factory=dict)
    """What comes again, by installation: because it failed, or because it waits."""
    deleted: set[Alias] = field(default_factory=set)

    @property
    def has_failed(self) -> bool:
        """Whether anything did."""
        return any(each.is_failure for each in self.tried.values())


def print_plan(plan: Plan, outcome: Reconciled | None, *, as_json: bool) -> None:
    """What was found, and what is to be done; with an outcome, what was."""
    rows = [_row(each, outcome) for each in plan.findings]
    if as_json:
        output.print_objects(rows)
        return
    if rows:
        output.print_table(rows, _COLUMNS)
    looked_at = f"{plan.providers} identity providers and {plan.installations} installations were looked at"
    typer.echo(f"{looked_at}{'.' if rows else ': everything is as it should be.'}")


def _row(finding: Finding, outcome: Reconciled | None) -> Mapping[str, object]:
    row = {
        "finding": finding.kind.value,
        "alias": finding.alias,
        "installation": finding.installation,
        "detail": finding.detail,
    }
    will = WILL.get(finding.kind)
    if outcome is None:
        return row | {"what": f"to be {will}" if will else "reported only"}
    if finding.kind is FindingKind.ORPHAN and finding.alias in outcome.deleted:
        return row | {"what": "deleted"}
    if will is None:
        return row | {"what": "reported only"}
    last = outcome.tried.get(finding.installation) if finding.installation else None
    if last is None:
        return row | {"what": will}
    return row | {"what": f"{'failed, comes again' if last.is_failure else 'waiting'}: {last.detail}"}
