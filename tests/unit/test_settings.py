"""Settings: names, defaults, and every wrong one reported."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from broker.cli import app
from broker.settings import ADMIN_VARIABLES, SettingsError, load, load_for_administrator

CONFIG = """
[[apps]]
id = "app1"
name = "Wallboard"
start_url = "https://wallboard.example/login"
support = { email = "help@example.com" }

[[accounts]]
id = "5e8d"
email_domains = ["acme.example"]
"""
GOOD = {
    "PUBLIC_URL": "https://broker.example/",
    "KEYCLOAK_URL": "https://keycloak.example",
    "KEYCLOAK_CLIENT_SECRET": "secret-one",
    "KEYCLOAK_LAUNCH_CLIENT_SECRET": "secret-two",
}


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Good settings, and nothing of the machine's."""
    (tmp_path / "config.toml").write_text(CONFIG)
    for name, value in {**GOOD, "CONFIG_FILE": str(tmp_path / "config.toml")}.items():
        monkeypatch.setenv(f"BROKER_{name}", value)


def test_good_settings_have_the_documented_defaults() -> None:
    """What is not said is as the contract says."""
    settings, config = load()
    assert (settings.host, settings.port, settings.public_url) == ("127.0.0.1", 8000, "https://broker.example")
    assert settings.internal_base == "https://broker.example"
    assert settings.keycloak_base == "https://keycloak.example"
    assert settings.keycloak_client_id == "talkdesk-broker"
    assert settings.keycloak_launch_client_id == "talkdesk-launch"
    assert settings.database.get_secret_value() == "sqlite:///data/broker.sqlite3"
    assert "api.talkdeskapp.com" in settings.talkdesk_gateways
    assert "*.talkdeskid.com" in settings.talkdesk_hosts
    assert config.apps[0].support.email == "help@example.com"


def test_no_secret_is_in_a_repr() -> None:
    """Settings may be printed."""
    settings, _ = load()
    assert "secret-one" not in repr(settings) + str(settings)


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg"])
def test_both_forms_of_a_postgresql_url_work(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that people have, and SQLAlchemy's."""
    monkeypatch.setenv("BROKER_DATABASE_URL", f"{scheme}://u:p@db/broker")
    assert load()[0].database.get_secret_value() == "postgresql+psycopg://u:p@db/broker"


def test_hosts_are_a_list_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    """In any case, with spaces."""
    monkeypatch.setenv("BROKER_TALKDESK_HOSTS", "A.example, *.b.example")
    assert load()[0].talkdesk_hosts == {"a.example", "*.b.example"}


def test_secrets_may_be_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named as their variables; a variable wins."""
    monkeypatch.delenv("BROKER_KEYCLOAK_CLIENT_SECRET")
    (tmp_path / "broker_keycloak_client_secret").write_text("from a file\n")
    (tmp_path / "broker_keycloak_launch_client_secret").write_text("not this one")
    monkeypatch.setenv("BROKER_SECRETS_DIR", str(tmp_path))
    settings, _ = load()
    assert settings.keycloak_client_secret.get_secret_value() == "from a file"
    assert settings.keycloak_launch_client_secret.get_secret_value() != "not this one"
    monkeypatch.setenv("BROKER_SECRETS_DIR", str(tmp_path / "none"))
    with pytest.raises(SettingsError, match="is no folder"):
        load()


def test_proxies_are_addresses_and_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name is none."""
    monkeypatch.setenv("BROKER_TRUSTED_PROXIES", "10.0.0.7, fd00::/64")
    assert [str(each) for each in load()[0].proxies] == ["10.0.0.7/32", "fd00::/64"]
    monkeypatch.setenv("BROKER_TRUSTED_PROXIES", "proxy")
    with pytest.raises(SettingsError, match="BROKER_TRUSTED_PROXIES: IP addresses"):
        load()


def test_all_wrong_settings_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing, malformed and misspelt, in one go; values are not repeated, since one may be a secret."""
    monkeypatch.delenv("BROKER_KEYCLOAK_CLIENT_SECRET")
    monkeypatch.setenv("BROKER_PUBLIC_URL", "ftp://s3cret@x")
    monkeypatch.setenv("BROKER_PORT", "99999")
    monkeypatch.setenv("BROKER_USERS", "mine")
    monkeypatch.setenv("BROKER_PUBLIC_URI", "x")
    with pytest.raises(SettingsError) as wrong:
        load()
    names = {line.partition(":")[0] for line in str(wrong.value).splitlines()}
    assert names == {
        "BROKER_KEYCLOAK_CLIENT_SECRET",
        "BROKER_PUBLIC_URL",
        "BROKER_PORT",
        "BROKER_USERS",
        "BROKER_PUBLIC_URI",
    }
    assert "s3cret" not in str(wrong.value)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"PUBLIC_URL": "http://broker.example"}, "BROKER_PUBLIC_URL"),
        ({"PUBLIC_URL": "https://broker.example/below"}, "BROKER_PUBLIC_URL"),
        ({"PUBLIC_URL": "https://broker.example:notaport"}, "BROKER_PUBLIC_URL"),
        ({"PUBLIC_URL": "https://[broker"}, "BROKER_PUBLIC_URL"),
        ({"TALKDESK_INSECURE": "1"}, "BROKER_TALKDESK_INSECURE"),
        ({"KEYCLOAK_REALM": ".."}, "BROKER_KEYCLOAK_REALM"),
        ({"USERS": "existing", "ACCOUNTS": "any"}, "BROKER_ACCOUNTS"),
        ({"SEALING_KEYS": "a:b", "SEALING_KEYS_FILE": "x"}, "BROKER_SEALING_KEYS"),
        ({"TALKDESK_HOSTS": "https://a.example"}, "BROKER_TALKDESK_HOSTS"),
        ({"TALKDESK_HOSTS": "a.*.example"}, "BROKER_TALKDESK_HOSTS"),
        ({"CONFIG_FILE": "nowhere.toml"}, "BROKER_CONFIG_FILE"),
        ({"ALERT_URL": "http://chat.example/hook"}, "BROKER_ALERT_URL"),
        ({"ALERT_URL": "chat.example"}, "BROKER_ALERT_URL"),
        ({"ALERT_AFTER": "0"}, "BROKER_ALERT_AFTER"),
        ({"USERS": "existing", "ACCOUNTS": "listed"}, "BROKER_CONFIG_FILE"),
        ({"END_FOREIGN_SESSIONS": "1"}, "BROKER_END_FOREIGN_SESSIONS"),
    ],
)
def test_what_does_not_fit_together_is_named(
    changed: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table of settings that are wrong together or by themselves."""
    for name, value in changed.items():
        monkeypatch.setenv(f"BROKER_{name}", value)
    with pytest.raises(SettingsError) as wrong:
        load()
    assert str(wrong.value).startswith(named)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[[apps", "is not TOML"),
        ("[[apps]]\nid='a'", "apps.0.name: is missing"),
        ("[[apps]]\nid='a'\nname='n'\nstart_url='http://a.example'", "must be an https URL"),
        ("[[apps]]\nid='a'\nname='n'\nstart_url='javascript:alert(1)'", "must be an https URL"),
        ("[[apps]]\nid='a'\nname='n'\nstart_url='https://[a'", "must be an https URL"),
        ("[[apps]]\nid='a'\nname='n'\nstart_url='https://a.example:x'", "must be an https URL"),
        ("[[apps]]\nid='a'\nname='n'\nstart_url='https://a.example'\ncolour='red'", "apps.0.colour"),
        ("[[apps]]\nid='a'\nname='n'\nstart_url='https://a.example'\non_trial_expired='no'", "apps.0.on_trial_expired"),
        ("[[accounts]]\nid='a'\n[[accounts]]\nid='a'", "the same id twice"),
        ("[[accounts]]\nid='a'\nmatch='e mail'", "accounts.0.match"),
        (
            "[[relays]]\nslug='a'\nclient_id='a'\nlogout_url='http://a.example/out'",
            "relays.a.logout_url: must be an https",
        ),
        (
            "[[relays]]\nslug='a'\nclient_id='a'\nlogout_url='https://a.example/#x'",
            "relays.a.logout_url: must be an https",
        ),
        ("[[relays]]\nslug='A/b'\nclient_id='a'\nlogout_url='https://a.example'", "relays.0.slug"),
        ("[[relays]]\nslug='a'\nlogout_url='https://a.example'", "relays.0.client_id: is missing"),
        ("[[relays]]\nslug='a'\nclient_id='a'\nlogout_url='https://a.example'\n" * 2, "the same slug twice"),
    ],
)
def test_a_wrong_configuration_file_is_explained(tmp_path: Path, content: str, said: str) -> None:
    """With the place in it."""
    (tmp_path / "config.toml").write_text(content)
    with pytest.raises(SettingsError) as wrong:
        load()
    assert str(wrong.value).startswith("BROKER_CONFIG_FILE: ")
    assert said in str(wrong.value)


@pytest.mark.parametrize(
    ("account", "said"),
    [
        ("", "accounts.a.match: is missing"),
        ("match='email'", "accounts.a.email_domains: is missing"),
        ("match='username'", "accounts.a.email_domains: is missing"),
        ("match='firstName'", "accounts.a.match: firstName does not say who somebody is"),
    ],
)
def test_in_a_realm_of_somebody_elses_every_account_says_how_its_people_are_found(
    account: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By an address only together with the domains that it may be of."""
    (tmp_path / "config.toml").write_text(f"[[accounts]]\nid='a'\n{account}")
    monkeypatch.setenv("BROKER_USERS", "existing")
    monkeypatch.setenv("BROKER_ACCOUNTS", "listed")
    with pytest.raises(SettingsError) as wrong:
        load()
    assert str(wrong.value).startswith(f"BROKER_CONFIG_FILE: {said}")


@pytest.mark.parametrize("account", ["match='email'\nemail_domains=['a.example']", "match='talkdeskUserId'"])
def test_mode_existing_is_taken(account: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An attribute that holds the Talkdesk user id needs no domains: no address names anybody."""
    (tmp_path / "config.toml").write_text(f"[[accounts]]\nid='a'\n{account}")
    monkeypatch.setenv("BROKER_USERS", "existing")
    monkeypatch.setenv("BROKER_ACCOUNTS", "listed")
    assert load()[0].users == "existing"


def test_serve_says_what_is_wrong_and_exits_with_2(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line's contract."""
    monkeypatch.delenv("BROKER_KEYCLOAK_URL")
    result = CliRunner().invoke(app, ["serve"])
    assert result.exit_code == 2
    assert "BROKER_KEYCLOAK_URL: is missing" in result.output


def test_the_administrators_account_is_for_its_commands_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service says that it is in the wrong place, and none of it becomes a setting."""
    for name in ADMIN_VARIABLES:
        monkeypatch.setenv(f"BROKER_{name}", "an administrator's")
    with pytest.raises(SettingsError, match="BROKER_ADMIN_PASSWORD: there is no such setting"):
        load()
    settings, _ = load_for_administrator()
    assert "an administrator's" not in str(settings.model_dump())
