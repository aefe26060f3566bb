"""An authentication flow, written step by step (Keycloak's admin API for executions).

Owns: making a flow, and changing one that is there so that its identity and foreign steps stay: identity providers name it.
Leaves to others: what is wanted of it.
"""

from collections.abc import Sequence

from broker.model.realm_setup import Change, Flow, Json, Step
from broker.realm.connection import path_part
from broker.realm.resources import Resources

_FLOWS = "authentication/flows"
_EXECUTIONS = "authentication/executions"
_PRIORITY = 10
"""Between two steps, so that an administrator can put one of his own there."""


class FlowWriting:
    """Carries out changes of flows."""

    def __init__(self, resources: Resources) -> None:
        """Calls nothing yet."""
        self._api = resources

    async def __call__(self, change: Change) -> None:
        """Make it, or bring it to what is wanted."""
        flow: Flow = change.content
        if change.is_new:
            new = {"alias": flow.alias, "description": flow.description}
            await self._api.post(_FLOWS, new | {"providerId": "basic-flow", "topLevel": True, "builtIn": False})
        await self._write(flow, flow.alias, flow.steps, 0, [])

    async def _write(self, flow: Flow, parent: str, steps: Sequence[Step], level: int, within: Sequence[str]) -> None:
        there = await self._lines(flow, within)
        if flow.is_exact:
            for line in [each for each in there if not any(_is(step, each) for step in steps)]:
                await self._api.delete(f"{_EXECUTIONS}/{path_part(line['id'])}")
        for number, step in enumerate(steps, 1):
            if not any(_is(step, line) for line in there):
                await self._add(parent, step)
            line = next(each for each in await self._lines(flow, within) if _is(step, each))
            await self._set(flow, line, step, number * _PRIORITY)
            if step.is_flow:
                await self._write(flow, step.name, step.steps, level + 1, [*within, step.name])

    async def _add(self, parent: str, step: Step) -> None:
        path = f"{_FLOWS}/{path_part(parent)}/executions"
        if step.is_flow:
            new = {"alias": step.name, "description": step.description, "type": "basic-flow"}
            await self._api.post(f"{path}/flow", new | {"provider": "registration-page-form"})
        else:
            await self._api.post(f"{path}/execution", {"provider": step.name})

    async def _set(self, flow: Flow, line: Json, step: Step, priority: int) -> None:
        found = Step(step.name, line["requirement"])
        if not step.is_met_by(found) or line.get("priority") != priority:
            requirement = line["requirement"] if step.is_met_by(found) else step.requirement
            changed = line | {"requirement": requirement, "priority": priority}
            await self._api.put(f"{_FLOWS}/{path_part(flow.alias)}/executions", changed)
        if not step.config:
            return
        if (config_id := line.get("authenticationConfig")) is None:
            new = {"alias": step.config_alias, "config": dict(step.config)}
            await self._api.post(f"{_EXECUTIONS}/{path_part(line['id'])}/config", new)
            return
        path = f"authentication/config/{path_part(config_id)}"
        config = await self._api.get(path)
        ours = step.config_unlike(Step(step.name, "", config=config.get("config", {})))
        if ours:
            await self._api.put(path, config | {"config": config.get("config", {}) | dict(ours)})

    async def _lines(self, flow: Flow, within: Sequence[str]) -> list[Json]:
        """Keycloak's lines of the steps right within this flow of the flow: a list with levels, each flow followed by its own."""
        lines: list[Json] = await self._api.get(f"{_FLOWS}/{path_part(flow.alias)}/executions")
        start, end = 0, len(lines)
        for level, name in enumerate(within):
            start = next(
                at for at in range(start, end) if lines[at]["level"] == level and lines[at]["displayName"] == name
            )
            start += 1
            end = next((at for at in range(start, end) if lines[at]["level"] <= level), end)
        return [line for line in lines[start:end] if line["level"] == len(within)]


def _is(step: Step, line: Json) -> bool:
    name = line["displayName"] if line.get("authenticationFlow") else line.get("providerId", "")
    return step.is_same(Step(name, "", is_flow=bool(line.get("authenticationFlow"))))
