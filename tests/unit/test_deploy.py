"""What is shipped beside the code fits it: images, settings and secrets of docker-compose.yml, the proxy's paths, dashboard and alerts."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from broker.settings import Settings, load
from broker.web.metrics import Metrics
from tests.postgresql_server import PostgresqlServer
from tests.processes import ROOT
from tests.unit.test_docs import names_in, table

pytestmark = pytest.mark.thorough

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: Mapping[str, Any] = COMPOSE["services"]
BROKERS = [name for name in SERVICES if name.startswith("broker-")]
YOURS = {"tls.crt", "tls.key"}
"""Secrets that nobody can make for you."""
PRODUCTION = {"BROKER_PUBLIC_URL": "https://broker.example.com", "BROKER_KEYCLOAK_URL": "https://sso.example.com"}
DEMO = dict(
    line.split("=", 1)
    for line in (ROOT / "deploy/demo/demo.env").read_text().splitlines()
    if line and not line.startswith("#")
)


def filled_in(value: str, given: Mapping[str, str]) -> str:
    """What compose makes of `${NAME:-default}` and `${NAME:?question}`."""

    def replace(match: re.Match[str]) -> str:
        name, kind, rest = match.groups()
        if given.get(name):
            return given[name]
        assert kind == "-", f"{name} is asked for: {rest}"
        return str(rest)

    return re.sub(r"\$\{(\w+):([-?])([^}]*)\}", replace, value)


def secrets_of(service: Mapping[str, Any]) -> dict[str, str]:
    """Name inside the container, and of the secret."""
    listed = [each if isinstance(each, dict) else {"source": each} for each in service.get("secrets", ())]
    return {str(each.get("target") or each["source"]): str(each["source"]) for each in listed}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What deploy/make-secrets.sh makes for the demo."""
    folder = tmp_path_factory.mktemp("made") / "secrets"
    for _ in range(2):  # a second time nothing changes
        subprocess.run(["sh", "deploy/make-secrets.sh", str(folder), "--demo"], cwd=ROOT, check=True, timeout=60)
    return folder


def test_every_image_is_pinned_by_version() -> None:
    """In Dockerfiles too; ours have our version or Keycloak's."""
    images = [each["image"] for each in SERVICES.values()]
    for file in ("Dockerfile", "keycloak/Dockerfile"):
        images += re.findall(r"^FROM (\S+[:/]\S+)", (ROOT / file).read_text(), re.M)
    assert len(images) > len(SERVICES)
    assert all(re.search(r":v?\d+\.\d+", image) for image in images), images


def test_the_brokers_differ_in_nothing_and_may_do_nothing() -> None:
    """Not root (the image), a root file system that can't be written, no capability."""
    assert len([name for name in BROKERS if name != "broker-upgrade"]) == 2
    assert SERVICES["broker-1"] == SERVICES["broker-2"]
    for name in BROKERS:
        service = SERVICES[name]
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
        assert "no-new-privileges:true" in service["security_opt"]
    last_stage = (ROOT / "Dockerfile").read_text().rpartition("\nFROM ")[2]
    assert "\nUSER broker\n" in last_stage
    assert "HEALTHCHECK" in last_stage


def test_a_broker_has_time_to_drain_and_end() -> None:
    """Before it is killed: DRAIN_SECONDS, then requests (20 s) and tasks (10 s)."""
    service = SERVICES["broker-1"]
    drain = int(service["environment"]["BROKER_DRAIN_SECONDS"])
    assert int(service["stop_grace_period"].removesuffix("s")) >= drain + 30


def test_every_setting_exists() -> None:
    """Of compose and of the image; Keycloak's own take what the realm's file asks for."""
    image = re.findall(r"BROKER_\w+(?==)", (ROOT / "Dockerfile").read_text())
    names = {name for each in BROKERS for name in SERVICES[each]["environment"]} | set(image)
    ours = {name.removeprefix("BROKER_").lower() for name in names if name.startswith("BROKER_")}
    assert ours <= set(Settings.model_fields)
    asked = set(re.findall(r"\$\{([A-Z_]+)\}", (ROOT / "realm-config/talkdesk-realm.json").read_text()))
    keycloak = SERVICES["keycloak"]
    assert asked <= set(keycloak["environment"]) | {name.upper() for name in secrets_of(keycloak)}


def test_secrets_are_files_and_each_is_used_and_made(made: Path) -> None:
    """None stands in an environment."""
    used = {source for service in SERVICES.values() for source in secrets_of(service).values()}
    assert used == set(COMPOSE["secrets"])
    assert {path.name for path in made.iterdir()} == used
    assert {each["file"] for each in COMPOSE["secrets"].values()} == {f"./secrets/{name}" for name in used}
    assert made.stat().st_mode & 0o777 == 0o700
    for service in SERVICES.values():
        for name, value in service.get("environment", {}).items():
            is_secret = re.search(r"PASSWORD|SECRET|SEALING_KEYS|DATABASE_URL", name)
            assert not is_secret or name.endswith("_FILE"), f"{name}={value}"


def test_without_the_demo_no_certificate_is_made(tmp_path: Path) -> None:
    """That is the operator's own."""
    subprocess.run(["sh", "deploy/make-secrets.sh", str(tmp_path)], cwd=ROOT, check=True, timeout=60)
    assert {path.name for path in tmp_path.iterdir()} == set(COMPOSE["secrets"]) - YOURS
    assert (tmp_path / "ca.crt").read_bytes() == b""


@pytest.mark.parametrize("given", [PRODUCTION, DEMO], ids=["production", "demo"])
def test_the_broker_takes_what_compose_gives_it(
    given: Mapping[str, str], made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Environment, image, secrets and configuration file together."""
    for name in [name for name in os.environ if name.startswith("BROKER_")]:
        monkeypatch.delenv(name)
    for name, value in SERVICES["broker-1"]["environment"].items():
        monkeypatch.setenv(name, filled_in(value, given))
    monkeypatch.setenv("BROKER_SECRETS_DIR", str(made))
    monkeypatch.setenv("BROKER_CONFIG_FILE", str(ROOT / "deploy/demo/broker.toml"))
    settings, config = load()
    assert settings.database.get_secret_value().startswith("postgresql+psycopg://broker:")
    assert [str(each) for each in settings.proxies] == [f"{_address_of_proxy()}/32"]
    assert settings.sealing_keys
    assert config.apps


def _address_of_proxy() -> str:
    return str(SERVICES["proxy"]["networks"]["inside"]["ipv4_address"])


def test_the_proxy_passes_on_exactly_what_is_for_outside() -> None:
    """Routes for operators are not among them."""
    passed = re.findall(r"@ours path (.*)", (ROOT / "deploy/Caddyfile").read_text())[0].split()
    routes = [name.split()[1] for row in table("operations.md", "route") for name in names_in(row[0])]
    prefixes = {f"/{route.split('/')[1]}/*" for route in routes if "/health" not in route and route != "/metrics"}
    assert set(passed) == prefixes


def test_keycloak_gets_files_as_variables(made: Path) -> None:
    """Those with a name that a variable can have."""
    environment = {"PATH": os.environ["PATH"], "SECRETS_DIR": str(made)}
    command = ["bash", "keycloak/with-secrets.sh", "env"]
    done = subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True, text=True, timeout=60)
    variables = dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)
    assert variables["KEYCLOAK_DB_PASSWORD"] == (made / "keycloak_db_password").read_text().strip()
    assert not {name for name in variables if "TLS" in name or "CRT" in name}


def test_the_certificate_of_the_demo_is_good_for_its_sites(made: Path) -> None:
    """By the authority made beside it, for every name that the proxy serves."""
    names = SERVICES["proxy"]["networks"]["inside"]["aliases"]
    for name in names:
        subprocess.run(
            ["openssl", "verify", "-CAfile", "ca.crt", "-verify_hostname", name, "tls.crt"],
            cwd=made,
            check=True,
            capture_output=True,
            timeout=60,
        )
    served = re.findall(r"https://(\S+):8443", (ROOT / "deploy/demo/sites/demo.caddy").read_text())
    assert {*served, "broker.localhost", "sso.localhost"} == set(names)


@pytest.mark.parametrize("name", ["talkdesk", "wallboard"])
def test_the_demo_knows_its_options(name: str) -> None:
    """Those that compose gives, and no other process than the one it starts."""
    module, *options = SERVICES[name]["command"]
    done = subprocess.run(
        [sys.executable, "-m", module, *options, "--help"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert all(option.partition("=")[0] in done.stdout for option in options)


@pytest.mark.postgresql
def test_the_databases_are_made_with_their_roles(postgresql: PostgresqlServer, made: Path, tmp_path: Path) -> None:
    """By the script of the first start, on a real server; each role signs in with its own password, and may make tables."""
    url = postgresql.make_database()
    environment = {
        "PATH": f"/usr/lib/postgresql/15/bin:{os.environ['PATH']}",
        "SECRETS_DIR": str(made),
        "PGHOST": str(url.host),
        "PGPORT": str(url.port),
        "PGUSER": str(url.username),
        "PGPASSWORD": str(url.password or ""),
        "PGDATABASE": str(url.database),
    }
    subprocess.run(["sh", "deploy/postgresql/10-databases.sh"], cwd=ROOT, env=environment, check=True, timeout=60)
    for name in ("keycloak", "broker"):
        password = (made / f"{name}_db_password").read_text().strip()
        with psycopg.connect(host=url.host, port=url.port, user=name, password=password, dbname=name) as connection:
            connection.execute("CREATE TABLE mine (number integer)")
    with psycopg.connect(url.render_as_string(hide_password=False).replace("+psycopg", ""), autocommit=True) as server:
        for name in ("keycloak", "broker"):
            server.execute(f"DROP DATABASE {name}")
            server.execute(f"DROP ROLE {name}")
    postgresql.drop_database(url)


ALERTS = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"][0]["rules"]
DASHBOARD = json.loads((ROOT / "deploy/grafana/dashboard.json").read_text())
_SAMPLES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}
_OF_PROMETHEUS = {"up", "instance", "job", "le"}


def samples() -> Mapping[str, set[str]]:
    """Every sample that a scrape may have, with its labels."""
    there: dict[str, set[str]] = {}
    for metric in vars(Metrics([])).values():
        if hasattr(metric, "describe"):
            [family] = metric.describe()
            for end in _SAMPLES[family.type]:
                there[f"{family.name}{end}"] = set(metric._labelnames)
    return there


def expressions() -> Iterator[str]:
    """Of all alerts and panels."""
    yield from (rule["expr"] for rule in ALERTS)
    yield from (target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"])


@pytest.mark.parametrize("expression", list(expressions()))
def test_what_is_drawn_and_alerted_on_exists(expression: str) -> None:
    """Every metric, and every label that is chosen or grouped by."""
    there = samples()
    named = set(re.findall(r"talkdesk_broker_\w+", expression))
    assert named <= set(there), named - set(there)
    labels = set().union(*(there[name] for name in named)) | _OF_PROMETHEUS
    chosen = set(re.findall(r"(\w+)(?:=~|!~|!=|=)\"", expression))
    grouped = {name.strip() for group in re.findall(r"by \(([^)]*)\)", expression) for name in group.split(",")}
    assert chosen | grouped <= labels


def test_every_metric_is_drawn() -> None:
    """One that nobody sees is of no use."""
    drawn = set(re.findall(r"talkdesk_broker_\w+", json.dumps(DASHBOARD)))
    ends = "|".join(end for each in _SAMPLES.values() for end in each if end)
    bare = {re.sub(rf"({ends})$", "", name) for name in drawn}
    assert {re.sub(rf"({ends})$", "", name) for name in samples()} == bare


def test_a_panel_names_no_label_that_it_lost() -> None:
    """What a legend shows is grouped by."""
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            shown = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            by = {name.strip() for group in re.findall(r"by \(([^)]*)\)", target["expr"]) for name in group.split(",")}
            assert shown <= (by or {"instance", "peer"}), target


def test_every_alert_says_what_to_do() -> None:
    """In docs/operations.md, under its name."""
    sections = set(re.findall(r"^### (\w+)$", (ROOT / "docs/operations.md").read_text(), re.M))
    assert {rule["alert"] for rule in ALERTS} == {name for name in sections if name.startswith("Broker")}
    for rule in ALERTS:
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"
