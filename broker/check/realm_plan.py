"""The line of `broker check` about the realm as a whole: whatever `broker realm plan` would say, in a sentence.

The one place where the two commands meet. Most of a realm is seen by its administrators only, so without the account of one nothing is said
of it but that.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from broker.check.finding import Finding, ok, warning, wrong
from broker.errors import KeycloakError


@dataclass(frozen=True)
class RealmPlan:
    """What a plan comes to."""

    changes: int
    """That `realm apply` would make."""
    warnings: int
    """That only the realm's administrator can decide on."""


PlanRealm = Callable[[], Awaitable[RealmPlan]]
"""Makes the plan, with an administrator's account. Raises KeycloakError."""

_LOOK = "`broker realm plan` with the account of an administrator of the realm"


async def realm_line(plan_realm: PlanRealm | None) -> Finding:
    """Flows, clients, scopes and settings are as they are needed; None where no administrator's account was given."""
    if plan_realm is None:
        return warning("realm", "it was not looked at: most of it is seen by its administrators only", _LOOK)
    try:
        plan = await plan_realm()
    except KeycloakError as error:
        return wrong("realm", str(error), _LOOK)
    if plan.changes:
        return wrong("realm", f"{plan.changes} changes are to be made", f"{_LOOK}, then `broker realm apply`")
    if plan.warnings:
        return warning("realm", f"{plan.warnings} things are for its administrator to decide", _LOOK)
    return ok("realm", "it is what the broker needs")
