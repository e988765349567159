"""What `vmlab front` prints, as far as it can be looked at; tests/web_servers runs it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from vmlab.errors import ConfigError
from vmlab.lab.lab import Lab, parse_lab
from vmlab.network.web_servers import CONFIGS, Site, WebServer, make_site

ACCOUNTS = """
[accounts]
trainees = ["ada", "b.ob"]
trainers = []
facilitators = []
administrators = []
"""
ALL = ("lab.example.org", "ada.lab.example.org")


def lab(hub: str = 'url = "https://lab.example.org"') -> Lab:
    return parse_lab(f"[hub]\n{hub}{ACCOUNTS}", Path("/labs/lab.toml"))


def site(hub: str = 'url = "https://lab.example.org"') -> Site:
    return make_site(lab(hub), certificate=Path("/c.pem"), key=Path("/k.pem"))


def test_a_site_of_a_lab() -> None:
    made = make_site(lab('address = "::1"\nport = 8001\nurl = "https://lab.example.org:8443"'))
    assert made.hosts[:2] == ALL
    assert made.hosts[2].endswith(".lab.example.org"), "a dot in a name makes no label more"
    assert made.hosts[2].count(".") == 3
    assert made.patterns == ("lab.example.org", "*.lab.example.org")
    assert (made.behind, made.port, made.port_suffix) == ("[::1]:8001", 8443, ":8443")
    assert made.certificate == Path("/etc/letsencrypt/live/lab.example.org/fullchain.pem")
    assert "*.lab.example.org" in made.files_comment
    assert site().files_comment == ""


def test_names_beside_the_hub_have_no_pattern_and_are_listed() -> None:
    made = site('url = "https://vmlab.localhost:8443"')
    assert made.wildcard == ""
    assert made.patterns[:2] == ("vmlab.localhost", "ada-vmlab.localhost")


@pytest.mark.parametrize("server", WebServer)
def test_an_ipv6_address_stands_in_brackets(server: WebServer) -> None:
    made = site('address = "::"\nurl = "https://[2001:DB8::1]"\none_origin = true')
    assert (made.hosts, made.behind) == (("[2001:db8::1]",), "[::1]:8000")
    assert "[2001:db8::1]" in CONFIGS[server](made)


def test_one_name_only() -> None:
    made = site('url = "https://lab.example.org"\none_origin = true')
    assert made.patterns == made.hosts == ("lab.example.org",)


@pytest.mark.parametrize(
    ("hub", "said", "advised"),
    [
        ("", "url is not set", "set url = "),
        ('url = "http://lab.example.org"', "url is http://lab.example.org", "set url = "),
        (
            'url = "https://lab.example.org"\ncertificate = "a"\nkey = "b"',
            "VMLab speaks TLS itself on port 8000",
            "remove certificate and key",
        ),
    ],
)
def test_labs_that_cannot_be_behind_one(hub: str, said: str, advised: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        make_site(lab(hub))
    assert advised in caught.value.hint


@pytest.mark.parametrize("server", WebServer)
def test_names_files_and_hub_are_there(server: WebServer) -> None:
    text = CONFIGS[server](site())
    for word in ("lab.example.org", "/c.pem", "/k.pem", "127.0.0.1:8000"):
        assert word in text
    assert not re.search(r"\{[a-z_]+\}", text.replace("{remote_host}", "")), "nothing is left out"
    assert "# " in CONFIGS[server](make_site(lab())), "whoever gives no files is told"


def test_caddy_without_files_lists_every_name_for_its_certificates() -> None:
    made = make_site(lab())
    text = CONFIGS[WebServer.CADDY](made)
    assert ",\n".join(made.hosts) in text
    assert len(made.hosts) == 3
    assert "*." not in text
    assert "tls " not in text


def test_traefiks_is_toml_and_its_rule_matches_these_names_only() -> None:
    model = tomllib.loads(CONFIGS[WebServer.TRAEFIK](site()))
    router = model["http"]["routers"]["vmlab"]
    assert model["http"]["services"][router["service"]]["loadBalancer"]["passHostHeader"]
    assert model["tls"]["certificates"] == [{"certFile": "/c.pem", "keyFile": "/k.pem"}]
    rule = re.fullmatch(r"Host\(`(.*)`\) \|\| HostRegexp\(`(.*)`\)", router["rule"])
    host, pattern = rule.groups()
    assert host == "lab.example.org"
    assert re.match(pattern, "ada.lab.example.org")
    for other in ("lab.example.org", "a.b.lab.example.org", "ada.labXexample.org", "evil.org"):
        assert not re.match(pattern, other)
