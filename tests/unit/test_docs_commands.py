"""Commands in the docs can be typed as they stand; links lead somewhere; what is stored is what the docs say."""

import re
import shlex
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from broker.cli import app
from broker.settings import ConfigFile
from broker.storage import schema
from tests.processes import ROOT
from tests.unit.test_docs import DOCS, names_in, table

PAGES = [ROOT / "README.md", ROOT / "realm-config/README.md", ROOT / "keycloak/README.md", *sorted(DOCS.glob("*.md"))]
COMMAND = typer.main.get_command(app)


def commands(page: Path) -> Iterator[str]:
    """Lines of shell blocks, and what stands in backticks and begins as a command."""
    text = page.read_text("utf-8")
    for block in re.findall(r"```sh\n(.*?)```", text, re.S):
        yield from (line.split("  #")[0].strip() for line in block.splitlines() if line.strip())
    prose = re.sub(r"```.*?```", "", text, flags=re.S)
    yield from (each for each in re.findall(r"`([^`\n]+)`", prose) if each.startswith("broker "))


EVERY = sorted({(page.name, command) for page in PAGES for command in commands(page)})
OF_BROKER = [each for each in EVERY if "broker" in each[1].split()]


def understood(words: list[str]) -> None:
    """Fails where a word is no command, or an option is not one of the command's."""
    command: Any = COMMAND
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    is_group = hasattr(command, "commands")
    assert not is_group or not words or words[0].startswith("-"), f"no such command: {words[0]}"
    options = {name for parameter in command.params for name in parameter.opts} | {"--help"}
    given = [word.partition("=")[0] for word in words if word.startswith("--")]
    assert set(given) <= options, set(given) - options


@pytest.mark.parametrize(("page", "command"), OF_BROKER)
def test_a_command_of_ours_is_one(page: str, command: str) -> None:
    """With every option that the page gives it."""
    words = shlex.split(command.partition(" && ")[0])
    words = words[words.index("broker") + 1 :]
    if words and not words[0].startswith(("|", "…")):
        understood([word for word in words if "|" not in word])


def test_a_made_up_command_is_found_out() -> None:
    """So that the test above can fail."""
    with pytest.raises(AssertionError, match="no such command"):
        understood(["installations", "explode"])
    with pytest.raises(AssertionError, match="--never"):
        understood(["events", "list", "--never"])


@pytest.mark.parametrize(
    ("page", "command"), [each for each in EVERY if each[1].startswith(("make ", "deploy/", "docker compose"))]
)
def test_what_a_shell_command_names_is_there(page: str, command: str) -> None:
    """Targets of the Makefile, files of the repository, services and profiles of the compose file."""
    words = shlex.split(command, comments=True)
    if words[0] == "make":
        targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
        assert words[1] in targets
    for word in words:
        if re.fullmatch(r"(deploy|keycloak|realm-config)/\S+", word):
            assert (ROOT / word).exists(), word
    if words[:2] == ["docker", "compose"] and "exec" in words:
        assert f"  {words[words.index('exec') + 1]}:" in (ROOT / "docker-compose.yml").read_text()


@pytest.mark.parametrize(
    "page", [page for page in PAGES if "```toml" in page.read_text("utf-8")], ids=lambda page: page.name
)
def test_a_configuration_file_of_the_docs_is_taken(page: Path) -> None:
    """As it stands, also where it is indented in a list."""
    for block in re.findall(r"```toml\n(.*?)```", page.read_text("utf-8"), re.S):
        config = ConfigFile.model_validate(tomllib.loads(textwrap.dedent(block)))
        assert config.apps


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """Where the page's relative links lead, with the heading."""
    text = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith(("http:", "https:", "mailto:")):
            path, _, heading = target.partition("#")
            yield (page.parent / path if path else page), heading


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """To a file that is there, and a heading that it has."""
    for path, heading in links(page):
        assert path.exists(), path
        assert not heading or heading in anchors(path), f"{path.name}#{heading}"


def test_every_table_is_in_the_page_on_privacy() -> None:
    """And none that is not there."""
    documented = {name for row in table("privacy.md", "table") for name in names_in(row[0])}
    assert documented == set(schema.metadata.tables)


def test_every_open_question_names_where_it_is_answered_and_how_to_learn_more() -> None:
    """Code that is there."""
    for row in table("open-questions.md", "question"):
        assert all((ROOT / name).exists() for name in names_in(row[2])), row
        assert len(row) == 4
        assert row[3]


OF_OTHERS = {"target_link_uri", "NO_PROXY"}
"""Names that the docs have from specifications and other programs."""


def program_text() -> str:
    """Everything that is no page."""
    folders = ("broker", "demo", "deploy", "keycloak", "realm-config", "tests", "benchmarks")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    files += [ROOT / name for name in ("docker-compose.yml", "Dockerfile", "Makefile")]
    kept = [path for path in files if path.suffix not in (".md", ".pyc", ".svg")]
    return "".join(f"{path.name}\n{path.read_text('utf-8')}" for path in kept)


@pytest.fixture(scope="module")
def program() -> str:
    """Read once."""
    return program_text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_name_exists_in_the_code(page: Path, program: str) -> None:
    """Settings, reasons, claims, functions: whatever stands in backticks and has an underscore; and every log line that is named."""
    prose = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.S)
    spans = [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)]
    names = {name for span in spans for name in re.findall(r"\b[A-Za-z]+(?:_[A-Za-z]+)+\b", span)}
    bare = {re.sub(r"_total$|^BROKER_", "", name) for name in names} - OF_OTHERS
    assert {name for name in bare if name not in program and name.lower() not in program} == set()
    lines = {" ".join(line.split()) for line in re.findall(r"\blines? `([^`/.]+)`", prose)}
    assert {line for line in lines if line not in program} == set()
