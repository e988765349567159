"""Which names hub and machines have."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab.errors import ConfigError
from vmlab.lab.lab import USER_NAME_PATTERN, parse_lab
from vmlab.lab.origins import LOCAL_NAME, Origins, machine_host, machine_hosts, url_problem

FILE = Path("/labs/lab.toml")
names = st.from_regex(USER_NAME_PATTERN, fullmatch=True)
hubs = st.sampled_from([LOCAL_NAME, "lab.example.org", "lab.localhost"])


def test_machines_are_below_the_hub_and_beside_it_on_this_host():
    assert machine_host("ada", "lab.example.org", "user") == "ada.lab.example.org"
    assert machine_host("ada", LOCAL_NAME, "user") == "ada-vmlab.localhost"
    assert machine_hosts(("ada", "bob"), "https://lab.example.org/") == (
        "ada.lab.example.org",
        "bob.lab.example.org",
    )


@given(hubs, st.sets(names, min_size=2, max_size=2))
def test_no_two_machines_and_no_machine_and_the_hub_share_a_name(hub, two):
    hosts = {machine_host(name, hub, "user") for name in two}
    assert len(hosts) == len(two)
    assert hub not in hosts


@given(hubs, names)
def test_a_name_is_one_that_dns_and_certificates_take(hub, name):
    label = machine_host(name, hub, "user").removesuffix(f".{hub}").removesuffix(".localhost")
    assert 0 < len(label) <= 63
    assert label.replace("-", "").isalnum()
    assert label == label.lower().strip("-")


@given(names)
def test_no_page_on_this_host_may_set_the_hubs_cookies(name):
    # A cookie's domain must be the page's own host or one above it; "localhost" alone is refused.
    assert not machine_host(name, LOCAL_NAME, "user").endswith(f".{LOCAL_NAME}")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("lab.example.org", "must begin with https://"),
        ("ftp://lab.example.org", "must begin with https://"),
        ("https://", "must begin with https://"),
        ("https://lab.example.org/vmlab", "cannot be below a path (/vmlab); it must end after"),
        ("https://[::1::]", "is not a URL"),
        ("https://lab.example.org?x", "must end after the host name"),
        ("https://ada@lab.example.org", "must end after the host name"),
        ("https://lab.example.org:99999", "is not a URL"),
        ("https://lab.example.org:0", "port 0"),
        ("https://[::1]", "it is an address"),
        ("https://192.0.2.1", "it is an address"),
        ("http://localhost:8000", "use vmlab.localhost"),
        ("https://lab.ex\u00e4mple.org", "xn--"),
        ("https://lab;x.example.org", "xn--"),
        ("https://lab.example.org\n", "xn--"),
    ],
)
def test_what_is_no_url_of_a_hub(url, problem):
    assert problem in url_problem(url, one_origin=False)


def test_one_name_for_all_may_be_an_address():
    assert not url_problem("https://192.0.2.1:8443/", one_origin=True)


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("https://Lab.Example.ORG/", "https://lab.example.org"),
        ("HTTPS://lab.example.org:443", "https://lab.example.org"),
        ("http://lab.example.org:80/", "http://lab.example.org"),
        ("http://lab.example.org:443", "http://lab.example.org:443"),
        ("https://[2001:DB8:0:0::0001]:8443/", "https://[2001:db8::1]:8443"),
        ("https://192.0.2.1", "https://192.0.2.1"),
    ],
)
def test_a_url_is_kept_as_browsers_write_it(written, plain):
    """Requests say their host this way: doctor, the proxy and JupyterHub compare the two."""
    lab = parse_lab(f'[hub]\none_origin = true\nurl = "{written}"', FILE)
    assert (lab.hub.public, lab.hub.url) == (plain, f"{plain}/")


@given(st.text(max_size=40))
def test_any_text_is_judged(text):
    assert isinstance(url_problem(text, one_origin=False), str)


@pytest.mark.parametrize(
    ("hub", "said"),
    [
        ('address = "0.0.0.0"', "so the hub needs a name"),
        (
            'url = "https://lab.example.org/x"',
            "lab.toml:2: hub.url: .* a port of its own",
        ),
        ('certificate = "a.pem"', "a certificate without a key"),
        ('key = "a.pem"', "a key without a certificate"),
        ("redirect_port = 80", "only a hub with a certificate of its own"),
        (
            'port = 443\nredirect_port = 443\ncertificate = "a"\nkey = "b"',
            "443 is already the hub's own port",
        ),
        (
            'url = "http://lab.example.org"\ncertificate = "a"\nkey = "b"',
            "is not https, but there is a certificate",
        ),
    ],
)
def test_mistakes_are_named(hub, said):
    with pytest.raises(ConfigError, match=said):
        parse_lab(f"[hub]\n{hub}", FILE)


def test_a_hub_with_a_name_and_a_certificate():
    lab = parse_lab(
        '[hub]\naddress = "0.0.0.0"\nport = 443\nurl = "https://lab.example.org"\n'
        'certificate = "tls/cert.pem"\nkey = "/etc/key.pem"',
        FILE,
    )
    assert lab.hub.url == "https://lab.example.org/"
    assert lab.hub.local_url == "https://127.0.0.1:443/"
    assert lab.hub.certificate == Path("/labs/tls/cert.pem")
    assert lab.hub.key == Path("/etc/key.pem")


def test_urls_of_a_lab_that_says_nothing():
    hub = parse_lab("", FILE).hub
    assert (hub.url, hub.local_url) == ("http://vmlab.localhost:8000/", "http://127.0.0.1:8000/")
    assert parse_lab("[hub]\none_origin = true", FILE).hub.url == "http://127.0.0.1:8000/"


@pytest.mark.parametrize(
    ("hub", "origins"),
    [
        ("", Origins("http://vmlab.localhost:8000/", "http://*.localhost:8000", shared=False)),
        (
            'url = "https://lab.example.org"',
            Origins("https://lab.example.org/", "https://*.lab.example.org", shared=False),
        ),
        ("one_origin = true", Origins()),
        (
            'one_origin = true\nurl = "https://192.0.2.1:8443"',
            Origins("https://192.0.2.1:8443/"),
        ),
    ],
)
def test_what_the_proxy_knows_of_names(hub, origins):
    assert parse_lab(f"[hub]\n{hub}", FILE).hub.origins == origins
