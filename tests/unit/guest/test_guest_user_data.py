"""What of cloud-init's user data is done without cloud-init, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vmlab_guest.user_data import FileToWrite, UserData, UserDataError, parse_user_data

CONFIG = b"""\
#cloud-config
write_files:
  - path: /etc/farm/hosts
    content: |
      node1
    permissions: "0640"
    owner: root:trainee
  - path: /etc/farm/key
    encoding: b64
    permissions: 0755
    content: aGVsbG8=
    append: true
packages: [chrony, "gcc=4:12"]
runcmd:
  - systemctl restart chrony
  - [touch, "/run/a b", 5]
"""


def test_a_config_is_read():
    assert parse_user_data(CONFIG) == UserData(
        files=(
            FileToWrite(Path("/etc/farm/hosts"), b"node1\n", 0o640, "root:trainee"),
            FileToWrite(Path("/etc/farm/key"), b"hello", 0o755, append=True),
        ),
        packages=("chrony", "gcc=4:12"),
        commands=("systemctl restart chrony", ("touch", "/run/a b", "5")),
    )


def test_a_script_is_one():
    assert parse_user_data(b"#!/bin/sh\ntrue\n") == UserData(script=b"#!/bin/sh\ntrue\n")
    assert parse_user_data(b"#cloud-config\n") == UserData()


REFUSED = [
    (b"", "begins with ''"),
    (b"packages: [a]\n", "begins with 'packages: [a]'"),
    (b"#cloud-config\nusers: []\nntp: {}\n", "users, ntp: cloud-init is not in this machine"),
    (b"#cloud-config\n[a]\n", "no mapping"),
    (b"#cloud-config\na: [\n", "no YAML"),
    (b"#cloud-config\npackages: a\n", "packages is no list"),
    (b"#cloud-config\npackages: [[a]]\n", "is no text"),
    (b"#cloud-config\nruncmd: [true]\n", "is no text"),
    (b"#cloud-config\nwrite_files: [{path: a}]\n", "full path"),
    (b"#cloud-config\nwrite_files: [{path: /a, source: {}}]\n", "source is not done"),
    (b"#cloud-config\nwrite_files: [{path: /a, permissions: rw}]\n", "no octal number"),
    (b"#cloud-config\nwrite_files: [{path: /a, encoding: gz}]\n", "is not done here"),
    (b"#cloud-config\nwrite_files: [{path: /a, encoding: b64, content: a}]\n", "no base64"),
    (b"#cloud-config\na: !!python/object:os.system {}\n", "no YAML"),
]


@pytest.mark.parametrize(("data", "told"), REFUSED)
def test_what_cannot_be_done_is_refused_and_named(data, told):
    with pytest.raises(UserDataError, match=re.escape(told)):
        parse_user_data(data)


@given(st.binary(max_size=300))
@example(b"[" * 5000)
@example(b"a: &a [*a]")
@example(b"? {a: b}\n: c")
def test_any_file_is_read_or_refused(data):
    for text in (data, b"#cloud-config\n" + data, b"#cloud-config\nwrite_files:\n - " + data):
        try:
            parse_user_data(text)
        except UserDataError as error:
            told = str(error)
        else:
            told = "it was read"
        assert told
