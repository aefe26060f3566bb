"""What is written down is what is there: settings, routes, metrics, commands."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from fastapi import FastAPI
from pydantic import SecretStr

from broker.app import open_broker
from broker.cli import app as command_line
from broker.model.failure import AS_INTENDED, Reason
from broker.model.names import AppId
from broker.settings import App, ConfigFile, Settings
from broker.web.failures import CAN_DO
from broker.web.languages import CanDo
from broker.web.metrics import Metrics
from tests.prepared import copy_into

TESTS = Path(__file__).parents[1]
DOCS = TESTS.parent / "docs"
NONE = "–"


def table(page: str, first_header: str, columns: int | None = None) -> list[list[str]]:
    """Cells of the tables whose first header is this one, and which have so many columns."""
    rows: list[list[str]] = []
    is_inside = False
    for line in (DOCS / page).read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if cells and cells[0] == first_header:
            is_inside = columns in (None, len(cells))
        elif not cells:
            is_inside = False
        elif is_inside and set(cells[0]) != {"-"}:
            rows.append(cells)
    assert rows, f"{page} has no table {first_header}"
    return rows


def names_in(cell: str) -> list[str]:
    """What is in backticks."""
    return re.findall(r"`([^`]+)`", cell)


def documented_settings() -> Iterator[tuple[str, str]]:
    """Name and default of every setting; a row may have two, side by side."""
    for row in table("settings.md", "name"):
        names = names_in(row[0])
        defaults = row[1].split(", ") if len(names) > 1 else [row[1]]
        yield from zip(names, defaults, strict=True)


def is_default(documented: str, default: Any) -> bool:
    """Whether the documented default says what the code has: the value itself, another setting, or words for what is worked out."""
    if isinstance(default, bool):
        return documented == f"`{int(default)}`"
    if isinstance(default, int) or (isinstance(default, str | Path) and str(default)):
        return documented == f"`{default}`"
    if isinstance(default, frozenset):
        return documented.startswith("the documented")
    assert default is None or default == "" or default == SecretStr("")
    names = names_in(documented)
    return documented == NONE or " " in documented or names[0].lower() in Settings.model_fields


def test_every_setting_is_documented_with_its_default() -> None:
    """And none that is not there."""
    documented = dict(documented_settings())
    assert {name.lower() for name in documented} == set(Settings.model_fields)
    for name, field in Settings.model_fields.items():
        text = documented[name.upper()]
        if field.is_required():
            assert text == NONE, f"{name} is required"
        else:
            assert is_default(text, field.default), f"{name}: {text!r} is not {field.default!r}"


async def test_every_route_is_documented(tmp_path: Path) -> None:
    """And none that is not there."""
    copy_into(tmp_path)
    settings = Settings(
        public_url="http://127.0.0.1:1",
        keycloak_url="http://127.0.0.1:2",
        keycloak_client_secret=SecretStr("x"),
        keycloak_launch_client_secret=SecretStr("x"),
        data_dir=tmp_path,
        config_file=tmp_path / "unused.toml",
    )
    config = ConfigFile(apps=(App(id=AppId("app1"), name="Wallboard", start_url="https://wallboard.example"),))
    async with open_broker(settings, config) as broker:
        routes = set(routes_of(unwrapped(broker.app)))
    documented = {name for row in table("operations.md", "route") for name in names_in(row[0])}
    assert routes == documented


def unwrapped(application: Any) -> FastAPI:
    """The application inside what wraps every answer."""
    while not isinstance(application, FastAPI):
        application = application.app
    return application


def routes_of(application: Any) -> Iterator[str]:
    """Method and path of every route."""
    for path, methods in application.openapi()["paths"].items():
        yield from (f"{method.upper()} {path}" for method in methods)


def test_every_metric_is_documented_with_its_labels() -> None:
    """And none that is not there."""
    documented = {names_in(row[0])[0]: (row[1], names_in(row[2])) for row in table("operations.md", "metric")}
    there = {}
    for metric in vars(Metrics([])).values():
        if hasattr(metric, "describe"):
            [family] = metric.describe()
            name = f"{family.name}_total" if family.type == "counter" else family.name
            there[name] = (family.type, list(metric._labelnames))
    assert there == documented


def test_every_command_is_documented() -> None:
    """And none that is not there."""
    documented = {
        " ".join(re.findall(r"[a-z]+(?:-[a-z]+)*", names_in(row[0])[0])) for row in table("operations.md", "command")
    }
    assert set(commands_of("broker", typer.main.get_command(command_line))) == documented


def test_every_starting_point_has_a_test_on_a_real_keycloak() -> None:
    """The table names tests that are there, and every test of the file of starting points is in the table."""
    rows = table("sign-on.md", "where it starts")
    named = {name for row in rows for name in names_in(row[2])}
    assert all(names_in(row[2]) for row in rows)
    assert named <= names_of_tests_below(TESTS / "acceptance")
    assert names_of_tests_in(TESTS / "scenarios" / "test_starting_points.py") <= named
    pages = {name for row in rows for name in names_in(row[1]) if name.isidentifier()}
    assert pages - {"start_url"} <= {reason.value for reason in Reason}


def test_every_threat_and_attack_names_a_test_that_is_there() -> None:
    """By its file, its folder or its name."""
    there = names_of_tests_below(TESTS)
    for row in (*table("security.md", "threat"), *table("security.md", "attack")):
        named = names_in(row[2])
        assert named, f"nothing shows that {row[0]!r} is stopped"
        for name in named:
            assert name in there or (TESTS.parent / name).exists(), f"{name}: there is no such test"
    pages = {name for row in table("security.md", "attack") for name in re.findall(r"page `([^`]+)`", row[1])}
    assert pages <= {reason.value for reason in Reason}


def test_every_reason_is_documented_with_what_the_person_can_do() -> None:
    """And none that is not there."""
    documented = {names_in(row[0])[0]: names_in(row[1]) for row in table("sign-on.md", "reason")}
    assert documented == {reason.value: [CAN_DO.get(reason, CanDo.CONTACT).value] for reason in Reason}


def test_what_does_not_count_towards_an_alert_is_documented() -> None:
    """Exactly those reasons."""
    text = (DOCS / "operations.md").read_text("utf-8").partition("don't count: ")[2].partition("\n\n")[0]
    assert set(names_in(text)) == {reason.value for reason in AS_INTENDED}


def test_every_fault_has_a_line_a_metric_an_entry_and_a_test() -> None:
    """And every test of the file of faults is in the table."""
    rows = table("operations.md", "what", 5)
    lines = {name for row in table("operations.md", "line") for name in names_in(row[0])}
    metrics = {names_in(row[0])[0] for row in table("operations.md", "metric")} | {"up"}
    for row in rows:
        assert set(names_in(row[1])) <= lines
        assert set(names_in(row[2])) <= metrics
        assert re.search(r"\(#broker\w+\)", row[3]), "an alert's entry; that it is there, the test of links says"
    assert {name for row in rows for name in names_in(row[4])} == names_of_tests_in(
        TESTS / "acceptance" / "test_faults.py"
    )


def test_every_line_of_check_is_documented() -> None:
    """And none that is not there."""
    documented = {name for row in table("operations.md", "line") for name in names_in(row[0])}
    of_readiness = {"worker", "keycloak keys"}
    said = {
        text
        for path in (TESTS.parent / "broker/check").glob("*.py")
        for text in re.findall(r'(?:ok|warning|wrong|compare)\(\s*"([^"]+)",', path.read_text("utf-8"))
    }
    assert said | {"settings"} == documented - of_readiness


def names_of_tests_below(folder: Path) -> set[str]:
    """Every test below the folder, also one that comes from elsewhere."""
    return {name for path in folder.rglob("*.py") for name in names_of_tests_in(path)}


def names_of_tests_in(path: Path) -> set[str]:
    """Tests that a module has: its own, and those that it takes over by name or, of a scenario, whole."""
    names: set[str] = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("tests.scenarios."):
            source = TESTS.parent / f"{node.module.replace('.', '/')}.py"
            taken = {alias.name for alias in node.names}
            names |= names_of_tests_in(source) if taken == {"*"} else taken & names_of_tests_in(source)
    return {name for name in names if name.startswith("test_")}


def commands_of(words: str, command: Any) -> Iterator[str]:
    """Every command below this one, by its words."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield words
        return
    for name, each in inner.items():
        yield from commands_of(f"{words} {name}", each)
