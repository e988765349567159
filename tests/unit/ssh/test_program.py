"""The program for trainees' own computers: its settings, and its side of a WebSocket."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab.ssh import program
from vmlab.ssh.program import BINARY, Frames, Trouble, make_frame, make_settings

KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
HUB = f"vmlab-hub:ssh-ed25519:{KEY}"
KEYS = [HUB, f"desk=desk-ada-1:ssh-ed25519:{KEY}"]
SEVERAL = [HUB, f"desk=desk-ada-1+node1=node1-ada-1+gpu=desk-ada-2:ssh-ed25519:{KEY}"]
URL = "https://lab.example.org/hub/ssh"


def test_settings_for_the_hub_s_own_address():
    config, known = make_settings(URL, "ada", KEYS, '"py" "p.py"')
    assert f'    ProxyCommand "py" "p.py" connect {URL}\n' in config
    assert "Host desk\n    HostKeyAlias desk-ada-1\n" in config
    assert "Host desk\n    User trainee\n    ProxyJump vmlab-hub\n" in config
    assert known == (f"vmlab-hub ssh-ed25519 {KEY}\n@cert-authority desk-ada-1 ssh-ed25519 {KEY}\n")
    assert config.count("StrictHostKeyChecking yes") == 2


def test_settings_for_several_machines():
    config, known = make_settings(URL, "ada", SEVERAL, "p")
    assert "Host node1\n    HostKeyAlias node1-ada-1\nHost gpu\n" in config
    assert "Host desk node1 gpu\n    User trainee\n" in config
    assert f"@cert-authority desk-ada-1,node1-ada-1,desk-ada-2 ssh-ed25519 {KEY}\n" in known


def test_settings_for_a_port():
    config, _ = make_settings("ssh://lab.example.org:2222", "ada", KEYS, "p")
    assert "    HostName lab.example.org\n    Port 2222\n" in config
    assert "ProxyCommand" not in config


@pytest.mark.parametrize(
    ("url", "name", "keys"),
    [
        ("ftp://x", "ada", KEYS),
        ("https://x/$(id) ", "ada", KEYS),
        ('https://x/"', "ada", KEYS),
        ("https://x/%h", "ada", KEYS),
        (URL, "Ada", KEYS),
        (URL, "ada\n    ProxyCommand x", KEYS),
        (URL, "ada", []),
        (URL, "ada", [HUB]),
        (URL, "ada", [*reversed(KEYS)]),
        (URL, "ada", [*KEYS, HUB]),
        (URL, "ada", [HUB, f"desk:ssh-ed25519:{KEY}"]),
        (URL, "ada", [HUB, f"de sk=x:ssh-ed25519:{KEY}"]),
        (URL, "ada", [HUB, f"*=x:ssh-ed25519:{KEY}"]),
        (URL, "ada", [HUB, f"desk=x,*:ssh-ed25519:{KEY}"]),
        (URL, "ada", [HUB, f"desk=x:ssh-ed25519:{KEY}\n* {KEY}"]),
        (URL, "ada", [HUB, "desk=x:ssh-ed25519:AAAA"]),
    ],
)
def test_words_that_no_page_has_are_refused(url, name, keys):
    with pytest.raises(Trouble):
        make_settings(url, name, keys, "p")


def served(kind: int, data: bytes) -> bytes:
    """A message as a server sends it: not masked."""
    frame = make_frame(kind, data)
    at = 2 if frame[1] & 127 < 126 else 4 if frame[1] & 127 == 126 else 10
    head = bytes([frame[0], frame[1] & 127]) + frame[2:at]
    mask, masked = frame[at : at + 4], frame[at + 4 :]
    return head + bytes(byte ^ mask[i % 4] for i, byte in enumerate(masked))


@given(st.lists(st.binary(max_size=300), max_size=5), st.integers(1, 50))
def test_messages_are_read_however_they_are_cut(contents, cut):
    stream = b"".join(served(BINARY, content) for content in contents)
    frames, found = Frames(), []
    for at in range(0, len(stream), cut):
        frames.feed(stream[at : at + cut])
        while message := frames.next():
            found.append(message)
    assert found == [(BINARY, content) for content in contents]


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65535, 65536, 100_000])
def test_messages_of_every_length(size):
    data = bytes(i % 251 for i in range(size))
    frames = Frames(served(BINARY, data))
    assert frames.next() == (BINARY, data)
    assert frames.next() is None


@pytest.mark.parametrize("data", [b"\xc2\x01x", b"\x82\x81abcdx", b"\x82\x7f" + b"\xff" * 8])
def test_what_no_server_sends_is_refused(data):
    with pytest.raises(Trouble):
        Frames(data).next()


def test_it_needs_the_standard_library_only():
    tree = ast.parse(Path(program.__file__).read_text())
    imported = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    imported |= {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module}
    assert {name.partition(".")[0] for name in imported} <= set(sys.stdlib_module_names)


def test_python_3_8_can_read_it():
    ast.parse(Path(program.__file__).read_text(), feature_version=(3, 8))


def test_wrong_use_shows_how_it_is_used(capsys):
    assert program.main(["help"]) == 1
    assert "setup URL NAME KEYS" in capsys.readouterr().err


def test_setting_up_says_what_to_try(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert program.main(["setup", URL, "ada", *KEYS]) == 0
    assert "ssh desk" in capsys.readouterr().out
    assert (tmp_path / ".ssh/config").read_text() == "Include vmlab/config\n"
