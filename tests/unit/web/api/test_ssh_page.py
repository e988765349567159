"""The words of the lines to paste."""

from __future__ import annotations

import pytest

from vmlab.lab.hub_address import HubAddress
from vmlab.ssh.program import make_settings
from vmlab.web.api.ssh_page import SshAddress, port_words, setup_words

KEYS = {"vmlab-hub": f"ssh-ed25519 {'A' * 68}", "desk": f"ssh-ed25519 {'B' * 68}"}


def test_the_words_are_what_the_program_takes():
    words = setup_words("https://lab.example.org/hub/", "ada", KEYS)
    assert words[:3] == ["setup", "https://lab.example.org/hub/ssh", "ada"]
    config, known = make_settings(words[1], words[2], words[3:], "program")
    assert "connect https://lab.example.org/hub/ssh" in config
    assert known == "".join(f"{host} {key}\n" for host, key in KEYS.items())


@pytest.mark.parametrize(
    ("hub", "host"),
    [
        (HubAddress(), "vmlab.localhost"),
        (HubAddress(public="https://lab.example.org"), "lab.example.org"),
        (HubAddress(address="2001:db8::1", one_origin=True), "[2001:db8::1]"),
    ],
)
def test_a_port_is_at_the_hub_s_own_name(hub, host):
    words = port_words(SshAddress(hub.url, hub.name, 2222), "ada", KEYS)
    assert words[1] == f"ssh://{host}:2222"
    config, _ = make_settings(words[1], words[2], words[3:], "program")
    assert f"HostName {host.strip('[]')}\n    Port 2222\n" in config


def test_without_a_port_there_are_none():
    assert port_words(SshAddress("https://x/", "x", 0), "ada", KEYS) == []
