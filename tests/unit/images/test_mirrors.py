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


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("Signed-By: /a.gpg", "/a.gpg"),
        ("signed-by: /a.gpg, /b.gpg", "/a.gpg,/b.gpg"),
        ("SIGNED-BY:\n /a.gpg\n# not /c.gpg\n\t/b.gpg", "/a.gpg,/b.gpg"),
        ("Signed-By: 0123456789ABCDEF", ""),
        ("Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n /looks+like+a/path=\n abc", ""),
        ("Trusted: yes", ""),
    ],
)
def test_who_signed_a_source(field, found):
    text = f"Types: deb\n{field}\nURIs: http://m.example/debian\nSuites: trixie\nComponents: main\n"
    assert parse_deb822(text) == [AptSource("http://m.example/debian", "trixie", ("main",), found)]


@pytest.mark.parametrize("enabled", ["no", "No", "false", "off", "disable", "without", "0"])
def test_a_source_that_is_off(enabled):
    stanza = "URIs: http://m.example/debian\nSuites: trixie\nComponents: main\nTypes: deb\n"
    assert parse_deb822(f"{stanza}Enabled: {enabled}\n") == []
    assert len(parse_deb822(f"{stanza}Enabled: yes\n \n\n# Types: deb\n\n{stanza}")) == 2


def test_every_address_with_every_suite_on_lines_of_their_own():
    text = (
        "# the site's mirrors\r\nTypes: deb\r\nURIs:\r\n http://a.example/debian/\r\n"
        "# http://old.example/debian\r\n http://b.example/debian\r\n"
        "Suites: trixie\r\n trixie-updates\r\nArchitectures: amd64\r\nComponents: main\r\n"
    )
    assert [(s.uri, s.suite) for s in parse_deb822(text)] == [
        ("http://a.example/debian", "trixie"),
        ("http://a.example/debian", "trixie-updates"),
        ("http://b.example/debian", "trixie"),
        ("http://b.example/debian", "trixie-updates"),
    ]


@pytest.mark.parametrize("end", ["\v", "\f", "\x1c", "\x85", "\u2028", "\r"])
def test_odd_ends_of_lines_are_no_crash(end):
    assert parse_deb822(f"Types: deb\n x{end}y\n\n{DEB822}") == parse_deb822(DEB822)


def test_text_is_never_taken_for_a_files_name(tmp_path, monkeypatch):
    (tmp_path / "Types").write_text(DEB822)
    monkeypatch.chdir(tmp_path)
    assert parse_deb822("Types") == []


def test_options_and_comments_of_a_line():
    text = (
        "deb [ arch=amd64,i386 signed-by=/a.gpg,/b.gpg trusted=yes ]\thttp://m.example/debian/ \t"
        "trixie main  contrib # deb http://n.example/debian trixie main\n"
        "#deb http://off.example/debian trixie main\n"
        "deb cdrom:[Debian GNU/Linux 13]/ trixie main\n"
    )
    source, disc = parse_one_line(text)
    assert source == AptSource(
        "http://m.example/debian", "trixie", ("main", "contrib"), "/a.gpg,/b.gpg"
    )
    assert choose_mirrors([disc, source]).archive == "http://m.example/debian"


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
