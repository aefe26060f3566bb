"""Wanted authentication flows against those that are there (pure): a flow counts as it runs, step by step."""

from collections.abc import Iterator, Mapping, Sequence

from broker.model.realm_setup import Change, Difference, Flow, Part, Step


def flow_changes(wanted: Mapping[str, Flow], found: Mapping[str, Flow]) -> Iterator[Change]:
    """Flows that are missing or run otherwise."""
    for alias, flow in wanted.items():
        if alias not in found:
            yield Change(Part.FLOW, alias, True, tuple(_as_new(flow.steps, "")), flow)
        elif unlike := tuple(_unlike(flow.steps, found[alias].steps, "", flow.is_exact)):
            yield Change(Part.FLOW, alias, False, unlike, flow)


def extra_steps(wanted: Sequence[Step], found: Sequence[Step]) -> Iterator[Step]:
    """Steps that somebody added, at any depth."""
    for step in found:
        same = step.find_in(wanted)
        if same is None:
            yield step
        else:
            yield from extra_steps(same.steps, step.steps)


def _as_new(steps: Sequence[Step], within: str) -> Iterator[Difference]:
    for step in steps:
        path = f"{within}{step.name}"
        yield Difference(path, None, step.requirement)
        yield from _as_new(step.steps, f"{path} → ")


def _unlike(wanted: Sequence[Step], found: Sequence[Step], within: str, is_exact: bool) -> Iterator[Difference]:
    for step in wanted:
        there = step.find_in(found)
        if there is None:
            yield from _as_new([step], within)
            continue
        path = f"{within}{step.name}"
        if not step.is_met_by(there):
            yield Difference(path, there.requirement, step.requirement)
        for name, value in step.config_unlike(there).items():
            yield Difference(f"{path}: {name}", there.config.get(name), value)
        yield from _unlike(step.steps, there.steps, f"{path} → ", is_exact)
    if is_exact:
        extra = [each for each in found if each.find_in(wanted) is None]
        yield from (Difference(f"{within}{each.name}", each.requirement, None) for each in extra)
    yield from _out_of_order(wanted, found, within)


def _out_of_order(wanted: Sequence[Step], found: Sequence[Step], within: str) -> Iterator[Difference]:
    ours = [each.name for each in found if each.find_in(wanted)]
    in_order = [each.name for each in wanted if each.find_in(found)]
    if ours != in_order:
        yield Difference(f"{within}order", ours, in_order)
