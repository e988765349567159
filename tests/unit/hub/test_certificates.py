"""What is said of a certificate and its key, read from real files."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.authority import Authority
from vmlab.cli.findings import certificate_findings
from vmlab.errors import ConfigError, HostError
from vmlab.hub.certificates import (
    Pair,
    covers,
    known_authorities,
    lab_faults,
    pair_faults,
    read_pair,
)
from vmlab.lab.lab import load_lab
from vmlab.providers.facts import Level

HOSTS = ("lab.example.org", "ada.lab.example.org", "bob.lab.example.org")
WILDCARD = ("lab.example.org", "*.lab.example.org")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def faults(authority: Authority, pair: Pair, hosts: tuple[str, ...] = HOSTS) -> list[tuple]:
    known = {authority.certificate.subject.public_bytes()}
    found = pair_faults(pair, hosts, datetime.now(UTC), known)
    assert all(fault.advice for fault in found)
    return [(fault.is_fatal, fault.found) for fault in found]


def one(authority: Authority, pair: Pair) -> tuple[bool, str]:
    ((is_fatal, found),) = faults(authority, pair)
    return is_fatal, found


@pytest.mark.parametrize("names", [WILDCARD, HOSTS, ("*.example.org", "*.lab.example.org")])
def test_a_right_one(authority: Authority, names: tuple[str, ...]) -> None:
    assert faults(authority, read_pair(*authority.issue(*names))) == []


def test_names_that_are_missing_are_named(authority: Authority) -> None:
    pair = read_pair(*authority.issue("lab.example.org"))
    is_fatal, found = one(authority, pair)
    assert is_fatal
    missing = "ada.lab.example.org, bob.lab.example.org"
    assert found == f"{pair.certificate} is for lab.example.org, not for {missing}"
    many = tuple(f"trainee{n}.lab.example.org" for n in range(40))
    ((_, found),) = faults(authority, pair, many)
    assert found.endswith("trainee2.lab.example.org and 37 more")
    assert "is for no name, not for lab" in one(authority, read_pair(*authority.issue()))[1]


@pytest.mark.parametrize(
    ("begins_days", "days", "is_fatal", "said"),
    [
        (-30, -0.01, True, "expired on "),
        (-30, 0.5, False, ", 0 days from now"),
        (-30, 13.5, False, ", 13 days from now"),
        (1, 30, True, "is not valid before "),
    ],
)
def test_time(
    authority: Authority, begins_days: float, days: float, is_fatal: bool, said: str
) -> None:
    pair = read_pair(*authority.issue(*WILDCARD, begins_days=begins_days, days=days))
    assert one(authority, pair)[0] is is_fatal
    assert said in one(authority, pair)[1]


def test_a_key_of_another_certificate(authority: Authority) -> None:
    certificate, _ = authority.issue(*WILDCARD)
    _, other = authority.issue(*WILDCARD, file="other")
    pair = read_pair(certificate, other)
    assert one(authority, pair) == (True, f"{other} is not the key of {certificate}")


@pytest.mark.attack("tls.private-key", "leaves the key readable for every user of the host")
@pytest.mark.parametrize(("mode", "is_open"), [(0o600, False), (0o640, False), (0o644, True)])
def test_a_key_that_everybody_may_read(authority: Authority, mode: int, is_open: bool) -> None:
    certificate, key = authority.issue(*WILDCARD)
    key.chmod(mode)
    found = faults(authority, read_pair(certificate, key))
    assert [(fatal, f"everybody on this host may read the key {key}" in said)
            for fatal, said in found] == [(True, True)] * is_open  # fmt: skip


def test_chains(authority: Authority, tmp_path: Path) -> None:
    middle = Authority(tmp_path, "In the middle", parent=authority)
    certificate, key = middle.issue(*WILDCARD)
    leaf = certificate.read_bytes()
    assert one(authority, read_pair(certificate, key)) == (
        False,
        f"{certificate} ends with lab, issued by In the middle, which this host does not trust",
    )
    certificate.write_bytes(leaf + middle.pem)
    assert faults(authority, read_pair(certificate, key)) == []
    certificate.write_bytes(leaf + authority.pem + middle.pem)
    is_fatal, found = one(authority, read_pair(certificate, key))
    assert is_fatal
    assert "lab was issued by In the middle, but Authority of the tests follows it" in found


@pytest.mark.parametrize("wrong", ["certificate", "key"])
@pytest.mark.parametrize("content", [b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_files_that_hold_something_else(authority: Authority, wrong: str, content: bytes) -> None:
    files = dict(zip(("certificate", "key"), authority.issue(*WILDCARD), strict=True))
    files[wrong].write_bytes(content)
    with pytest.raises(HostError, match=f"{files[wrong]} holds no ") as caught:
        read_pair(**files)
    assert "fullchain.pem" in caught.value.hint


def test_this_host_knows_authorities() -> None:
    assert known_authorities()


@given(st.sampled_from(["*.lab.example.org", "lab.example.org", "*"]), st.text(max_size=20))
def test_a_wildcard_is_for_one_whole_label(pattern: str, label: str) -> None:
    assert covers("*.lab.example.org", "Ada.lab.example.org")
    assert not covers("*.lab.example.org", "lab.example.org")
    assert not covers("*.lab.example.org", f"{label}.x.lab.example.org")
    assert not covers(pattern, f"{label}.evil.org")


def test_a_lab_reads_names_of_all_accounts(authority: Authority, tmp_path: Path) -> None:
    certificate, key = authority.issue(*HOSTS)
    lab = tmp_path / "lab.toml"
    lab.write_text(
        '[hub]\nurl = "https://lab.example.org"\ncertificate = "lab.pem"\nkey = "lab.key"\n'
        '[accounts]\ntrainees = ["ada", "bob"]\ntrainers = ["zoe"]\n'
        "facilitators = []\nadministrators = []\n"
    )
    pair, found = lab_faults(load_lab(lab)) or (None, [])
    assert pair == read_pair(certificate, key)
    assert "not for zoe.lab.example.org" in found[0].found
    levels = [finding.level for finding in certificate_findings(pair, found)]
    assert levels[0] is Level.FAIL
    assert Level.WARN in levels, "nobody else knows the authority of the tests"
    assert [f.level for f in certificate_findings(pair, [])] == [Level.OK]
    key.unlink()
    key.mkdir()
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        load_lab(lab)
    key.rmdir()
    with pytest.raises(ConfigError, match=rf"lab\.toml:4: hub\.key: {key} cannot be read: No such"):
        load_lab(lab)
