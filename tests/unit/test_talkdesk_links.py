"""The allow-list for Talkdesk's links, against whoever wants to choose a host."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.errors import LinkRefused
from broker.settings import DOCUMENTED_GATEWAYS, DOCUMENTED_HOSTS
from broker.talkdesk.links import Hosts

HOSTS = Hosts(frozenset(DOCUMENTED_GATEWAYS), frozenset(DOCUMENTED_HOSTS))
INSECURE = Hosts(HOSTS.gateways, HOSTS.others, is_insecure=True)

LISTED = [
    "https://acme.talkdeskid.com/oauth/token",
    "https://acme.talkdeskid.com",
    "https://acme.talkdeskid.com/",
    "https://acme.talkdeskid.com?tenant=acme",
    "https://a.b.talkdeskid.eu/oauth/authorize?tenant=acme&x=%20",
    "https://acme.talkdeskid.com:443/oauth/token",
    "https://acme.talkdeskid.com:8443/oauth/token",
    "HTTPS://Acme.TalkdeskID.com/oauth/token",
    "https://api.talkdeskapp.com/userinfo",
]

ATTACKS = [
    "",
    "acme.talkdeskid.com",
    "//acme.talkdeskid.com/",
    "http://acme.talkdeskid.com/oauth/token",
    "ftp://acme.talkdeskid.com/",
    "javascript:alert(1)//acme.talkdeskid.com",
    "https:acme.talkdeskid.com",
    "https:///acme.talkdeskid.com",
    # the bare domain, and names that only look like one below it
    "https://talkdeskid.com/",
    "https://.talkdeskid.com/",
    "https://eviltalkdeskid.com/",
    "https://acme.talkdeskid.com.evil.example/",
    "https://evil.example/acme.talkdeskid.com",
    "https://evil.example?acme.talkdeskid.com",
    "https://evil.example#.talkdeskid.com",
    # user information, backslashes, escapes and line breaks, which parsers read differently
    "https://acme.talkdeskid.com@evil.example/",
    "https://evil.example@acme.talkdeskid.com/",
    "https://evil.example:443@acme.talkdeskid.com/",
    "https://evil.example\\@acme.talkdeskid.com/",
    "https://evil.example\\.talkdeskid.com/",
    "https://acme.talkdeskid.com\\@evil.example/",
    "https:\\\\acme.talkdeskid.com/",
    "https://evil.example%2f.talkdeskid.com/",
    "https://evil.example%00.talkdeskid.com/",
    "https://evil.example/\n.talkdeskid.com/",
    "https://acme.talkdeskid.com/\r\nHost: evil.example",
    "https://acme.talkdeskid.com\t/",
    " https://acme.talkdeskid.com/",
    "https://acme.talkdeskid.com/\n",
    "https://acme.talkdeskid.com/a b",
    # letters that become others, and a dot that ends a name
    "https://acme。talkdeskid.com/",
    "https://acme.talkdeskid.com./",
    "https://acme.talkde\u017fkid.com/",  # noqa: RUF100 — LATIN SMALL LETTER LONG S
    "https://acme.tal\u212adeskid.com/",  # KELVIN SIGN
    "https://ácme.talkdeskid.com/",
    "https://-acme.talkdeskid.com/",
    "https://acme..talkdeskid.com/",
    "https://*.talkdeskid.com/",
    "https://acme_x.talkdeskid.com/",
    # the fragment of a token endpoint has no meaning
    "https://acme.talkdeskid.com/oauth/token#x",
    # ports
    "https://acme.talkdeskid.com:/",
    "https://acme.talkdeskid.com:0/",
    "https://acme.talkdeskid.com:65536/",
    "https://acme.talkdeskid.com:443:443/",
    "https://acme.talkdeskid.com:-1/",
    # this machine and its neighbours
    "https://localhost/",
    "https://127.0.0.1/",
    "https://[::1]/",
    "https://169.254.169.254/latest/meta-data/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://127.1/",
    "https://acme.talkdeskid.com/" + "a" * 2048,
]


@pytest.mark.parametrize("url", LISTED)
def test_a_listed_link_comes_back_as_it_was(url: str) -> None:
    """A token endpoint's link is the audience of assertions: not a letter of it changes."""
    assert HOSTS.check(url) == url


@pytest.mark.parametrize("url", ATTACKS)
def test_any_other_link_is_refused(url: str) -> None:
    """Not listed, not plain, not https: refused."""
    with pytest.raises(LinkRefused):
        HOSTS.check(url)


@pytest.mark.parametrize("url", ATTACKS)
def test_no_attack_makes_a_gateway(url: str) -> None:
    """What is refused as a link is refused as a gateway."""
    with pytest.raises(LinkRefused):
        HOSTS.check_gateway(url)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://api.talkdeskapp.com", "https://api.talkdeskapp.com"),
        ("https://api.talkdeskapp.com/", "https://api.talkdeskapp.com"),
        ("HTTPS://API.Talkdeskapp.EU", "https://api.talkdeskapp.eu"),
        ("https://api.talkdeskapp.co.uk:8443", "https://api.talkdeskapp.co.uk:8443"),
    ],
)
def test_a_gateway_becomes_its_origin(url: str, origin: str) -> None:
    """Several ways to write it are one gateway, so that its keys are remembered once."""
    assert HOSTS.check_gateway(url) == origin


@pytest.mark.parametrize(
    "url",
    [
        "https://acme.talkdeskid.com",
        "https://x.api.talkdeskapp.com",
        "https://api.talkdeskapp.com/echo",
        "https://api.talkdeskapp.com/?x=",
        "https://api.talkdeskapp.com//",
    ],
)
def test_a_gateway_is_an_exact_host_without_path(url: str) -> None:
    """Other trusted hosts hold no event keys, and a path could choose an endpoint that says what an attacker likes."""
    with pytest.raises(LinkRefused):
        HOSTS.check_gateway(url)


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:8000/x", "https://127.0.0.1/x", "http://127.9.8.7/", "http://localhost:1/", "http://LOCALHOST"],
)
def test_loopback_is_for_insecure_settings_only(url: str) -> None:
    """TALKDESK_INSECURE allows loopback, also by http, for links and gateways; without it neither."""
    assert INSECURE.check(url) == url
    with pytest.raises(LinkRefused):
        HOSTS.check(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://acme.talkdeskid.com/",
        "http://128.0.0.1/",
        "http://10.0.0.1/",
        "http://localhost.evil.example/",
        "http://127.0.0.1.evil.example/",
        "http://127.1/",
        "http://0.0.0.0/",
        "http://user@127.0.0.1/",
    ],
)
def test_insecure_allows_nothing_beyond_loopback(url: str) -> None:
    """Also with TALKDESK_INSECURE, http goes to this machine only."""
    with pytest.raises(LinkRefused):
        INSECURE.check(url)


def test_gateways_count_among_the_other_hosts() -> None:
    """Userinfo lives at the gateway: what may hold keys may also be called."""
    hosts = Hosts(frozenset({"gateway.example"}), frozenset())
    assert hosts.check("https://gateway.example/userinfo") == "https://gateway.example/userinfo"
    assert hosts.gateway_roots == ("https://gateway.example",)


@given(st.text(max_size=60), st.sampled_from(["https://", "https://acme.talkdeskid.com", "https://talkdeskid.com", ""]))
def test_any_text_is_a_link_or_refused(text: str, start: str) -> None:
    """Nothing but LinkRefused comes out, and what passes is at a listed host for httpx too."""
    try:
        url = HOSTS.check(start + text)
    except LinkRefused:
        return
    assert httpx.URL(url).host.endswith(".talkdeskid.com")
    assert httpx.URL(url).userinfo == b""
