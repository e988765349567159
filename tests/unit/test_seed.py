"""The seed as the agent gets it, and the secrets in it."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest

from vmlab.seed import Identity, Seed, guest_network, make_seed_message
from vmlab_protocol.notices import Notice
from vmlab_protocol.seed import Kin, KinHost, Mount

IDENTITY = Identity("0" * 32, "PRIVATE", "ssh-ed25519 HOST", "ssh-ed25519 OPERATOR")
SEED = Seed(
    env={"JUPYTERHUB_API_TOKEN": "secret"},
    args=("--HubOAuth.base_url=/user/ada/",),
    notices=(Notice("hello", "bonjour"),),
    language="fr",
    keys=("ssh-ed25519 ADA",),
)


def make(randomness=bytes(range(64)), seed=SEED):
    return make_seed_message(
        seed,
        IDENTITY,
        host_name="desk-ada",
        network=guest_network(),
        mounts=(Mount("/dev/disk/by-id/virtio-home", "/home/trainee"),),
        randomness=randomness,
        now_ns=1_700_000_000_000_000_000,
    )


def test_the_message_is_one_line_with_everything():
    line = make()
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert json.loads(line) == {
        "type": "seed",
        "seed": {
            "version": 1,
            "randomness": base64.b64encode(bytes(range(64))).decode(),
            "time_ns": 1_700_000_000_000_000_000,
            "machine_id": "0" * 32,
            "host_name": "desk-ada",
            "ssh_host_key": {"private": "PRIVATE", "public": "ssh-ed25519 HOST"},
            "authorized_keys": ["ssh-ed25519 OPERATOR"],
            "own_keys": ["ssh-ed25519 ADA"],
            "network": {"address": "10.0.2.15/24", "gateway": "10.0.2.2", "dns": ["10.0.2.3"]},
            "mounts": [
                {
                    "device": "/dev/disk/by-id/virtio-home",
                    "path": "/home/trainee",
                    "type": "ext4",
                    "options": "nodev,nosuid,discard",
                }
            ],
            "notices": [{"en": "hello", "fr": "bonjour"}],
            "language": "fr",
            "server": {
                "env": {"JUPYTERHUB_API_TOKEN": "secret"},
                "args": ["--HubOAuth.base_url=/user/ada/"],
            },
        },
    }


@pytest.mark.parametrize("length", [0, 63, 65])
def test_too_little_randomness_is_refused(length):
    with pytest.raises(ValueError, match=f"64 random bytes, got {length}"):
        make(bytes(length))


def test_a_machine_beside_others_gets_its_key_and_a_certificate_of_its_host_key():
    kin = Kin("KIN", "ssh-ed25519 AUTHORITY", (KinHost("desk-ada-1", ("desk", "desk-t01")),))
    seed = replace(SEED, kin=kin, certify=lambda public: f"certificate of {public}")
    made = json.loads(make(seed=seed))["seed"]
    assert made["ssh_host_key"]["certificate"] == "certificate of ssh-ed25519 HOST"
    assert made["kin"] == {
        "private": "KIN",
        "authority": "ssh-ed25519 AUTHORITY",
        "hosts": [{"machine": "desk-ada-1", "names": ["desk", "desk-t01"]}],
    }
    assert "KIN" not in repr(seed)


def test_secrets_do_not_show_when_printed():
    assert "secret" not in repr(SEED)
    assert "PRIVATE" not in repr(IDENTITY)
