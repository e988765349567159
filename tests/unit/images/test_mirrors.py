"""Mirrors: Debian is found among what a host uses, and nothing private gets into an image."""

from __future__ import annotations

import pytest

from vmlab.errors import HostError
from vmlab.images.mirrors import (
    DEBIAN_KEYRING,
    AptSource,
    Mirrors,
    choose_mirrors,
    parse_apt_options,
    parse_deb822,
    parse_one_line,
)

DEB822 = f"""\
Types: deb deb-src
# a comment between fields
URIs: http://mirror.example/debian/
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: {DEBIAN_KEYRING}

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 abc

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main

Types: deb-src
URIs: http://source.example/debian
Suites: bookworm
Components: main
"""

ONE_LINE = """\
# deb http://old.example/debian bookworm main
deb [arch=amd64 signed-by=/etc/apt/keyrings/vpn.gpg] https://vpn.example/stable/debian bookworm main
deb http://mirror.example/debian bookworm main contrib # the archive
deb http://mirror.example/debian bookworm-updates main
deb http://mirror.example/debian-security bookworm-security main
deb-src http://mirror.example/debian bookworm main
deb [arch=amd64] https://node.example/node_20.x nodistro main
deb https://docker.example/linux/debian bookworm stable
"""


def test_deb822():
    mirrors = choose_mirrors(parse_deb822(DEB822))
    assert mirrors.archive == "http://mirror.example/debian"
    assert mirrors.security == "http://mirror.example/debian-security"
    assert mirrors.keyring == DEBIAN_KEYRING


def test_one_line_with_foreign_repositories():
    mirrors = choose_mirrors(parse_one_line(ONE_LINE))
    assert mirrors.archive == "http://mirror.example/debian"
    assert mirrors.security == "http://mirror.example/debian-security"


def test_source_lines_swap_the_suite():
    mirrors = choose_mirrors(parse_deb822(DEB822))
    assert mirrors.source_lines("trixie") == [
        f"deb [signed-by={DEBIAN_KEYRING}] http://mirror.example/debian trixie main",
        f"deb [signed-by={DEBIAN_KEYRING}] http://mirror.example/debian trixie-updates main",
        f"deb [signed-by={DEBIAN_KEYRING}] {mirrors.security} trixie-security main",
    ]


def test_no_credentials_and_no_local_mirror_in_an_image():
    mirrors = Mirrors("https://me:secret@mirror.example/debian", "file:///srv/debian-security",
                      "/etc/apt/keyrings/site.gpg", ())  # fmt: skip
    public = mirrors.source_lines("trixie", public=True)
    assert public == [
        f"deb [signed-by={DEBIAN_KEYRING}] https://mirror.example/debian trixie main",
        f"deb [signed-by={DEBIAN_KEYRING}] https://mirror.example/debian trixie-updates main",
    ]
    assert "me:secret@" in mirrors.source_lines("trixie")[0]


def test_what_is_no_address_is_no_mirror():
    odd = [AptSource("http://[::1/debian", "trixie", ("main",))]
    assert choose_mirrors([*odd, *parse_deb822(DEB822)]) == choose_mirrors(parse_deb822(DEB822))


def test_host_without_debian():
    with pytest.raises(HostError) as caught:
        choose_mirrors([AptSource("http://ubuntu.example/ubuntu", "noble", ("main",))])
    assert "sources.list" in caught.value.hint


def test_options_about_the_way_to_a_mirror():
    dump = """\
APT::Architecture "amd64";
Acquire::http::Proxy "http://proxy.example:3128";
Acquire::http "";
Acquire::https::CAInfo "/etc/ssl/site.pem";
Acquire::Check-Valid-Until "false";
Acquire::IndexTargets::deb::DEP-11 "";
DPkg::Post-Invoke:: "rm -rf /";
"""
    assert parse_apt_options(dump) == (
        'Acquire::http::Proxy "http://proxy.example:3128";',
        'Acquire::http "";',
        'Acquire::https::CAInfo "/etc/ssl/site.pem";',
        'Acquire::Check-Valid-Until "false";',
    )
