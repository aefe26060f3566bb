"""`realm plan` and `realm apply`: what is wanted of the realm, what is there, and making it so.

Owns: the order: read, compare, ask, write. `apply` carries out the very plan that a person has seen; what another administrator changed
meanwhile is found by the plan after it. Leaves to others: whose account it is done with (the port), and asking (the command).
"""

from collections.abc import Callable

from broker.converge.realm.cautions import cautions
from broker.converge.realm.compare import changes
from broker.converge.realm.wanted import RealmNeeds, wanted_realm, without_taste
from broker.model.realm_setup import Change, Part, Plan
from broker.ports import RealmAdministration


async def make_plan(realm: RealmAdministration, needs: RealmNeeds) -> Plan:
    """What `apply` would do, as far as this account may see. Raises KeycloakError."""
    wanted = wanted_realm(needs)
    found = await realm.read(wanted, looks_at_every_client=needs.makes_users)
    if (
        needs.launch_client_id in found.setup.clients or Part.CLIENT in found.unseen
    ):  # it was set up before, or may have been
        wanted = without_taste(wanted)
    return Plan(changes(wanted, found), cautions(wanted, found, needs), tuple(sorted(found.unseen)), found.version)


async def carry_out(realm: RealmAdministration, plan: Plan, done: Callable[[Change], None]) -> None:
    """Make the changes, one after the other; stopped anywhere, a new plan has the rest. Raises KeycloakError."""
    for change in plan.changes:
        await realm.write(change)
        done(change)
