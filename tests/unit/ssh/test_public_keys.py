"""What people paste as their public key."""

from __future__ import annotations

import base64

import asyncssh
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from vmlab.ssh.public_keys import KeyRefusedError, read_public_key

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"


def made(kind: str) -> str:
    return asyncssh.generate_private_key(kind).export_public_key().decode()


@pytest.mark.parametrize(
    "kind", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"]
)
def test_keys_of_all_kinds_are_read_as_openssh_reads_them(kind):
    line = made(kind)
    key = read_public_key(f"  {line} \n")
    assert key.kind == kind
    assert key.fingerprint == asyncssh.import_public_key(line).get_fingerprint()


def test_a_comment_is_kept_within_limits():
    key = read_public_key(f"{ED25519} ada@home \x1b[31m{'x' * 200}")
    assert key.line.startswith(f"{ED25519} ada@home [31mxxx")
    assert len(key.comment) == 80
    assert read_public_key(ED25519).line == ED25519


def test_a_key_of_a_security_token_is_read():
    parts = (b"sk-ssh-ed25519@openssh.com", b"k" * 32, b"ssh:")
    raw = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    line = f"sk-ssh-ed25519@openssh.com {base64.b64encode(raw).decode()} token"
    assert read_public_key(line).line == line
    assert read_public_key(line).fingerprint == asyncssh.import_public_key(line).get_fingerprint()


def rsa(bits: int) -> str:
    key = generate_private_key(65537, bits).public_key()
    return key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def test_an_rsa_key_has_a_length_that_is_enough():
    assert read_public_key(rsa(2048)).kind == "ssh-rsa"
    with pytest.raises(KeyRefusedError, match="too short"):
        read_public_key(rsa(1024))


DATA = ED25519.split()[1]


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "not a public key"),
        ("hello", "not a public key"),
        (f"ssh-dss {DATA}", "not a public key"),
        (f'command="rm -r /" {ED25519}', "not a public key"),
        (f"ssh-ed25519-cert-v01@openssh.com {DATA}", "not a public key"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n", "private key"),
        (f"{ED25519}\n{ED25519}", "several lines"),
        (f"{ED25519}\u2028{ED25519}", "several lines"),
        (ED25519[:-1], "damaged"),
        (f"ssh-ed25519 {DATA[:-4]}", "damaged"),
        (f"ssh-ed25519 {DATA}=", "damaged"),
        ("ssh-ed25519", "damaged"),
        (f"ssh-rsa {DATA}", "damaged"),
        ("ssh-ed25519 é", "damaged"),
        ("sk-ssh-ed25519@openssh.com AAAA", "damaged"),
        (f"ssh-rsa {'A' * 9000}", "damaged"),
    ],
)
def test_what_is_no_public_key_is_refused_with_a_reason(text, word):
    with pytest.raises(KeyRefusedError, match=word) as refused:
        read_public_key(text)
    assert refused.value.public.fr
