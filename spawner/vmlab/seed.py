"""Contextualisation: what makes one machine itself. Pure: values in, one JSON object out.

The seed travels once per start, over a channel that only the hub's side can read (virtio-serial
with QEMU), never through user-data, an image, a command line or a log. docs/protocols.md describes
it for the agent's side (images/guest/).
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from vmlab.model import Notice

SEED_VERSION = 1
RANDOM_BYTES = 64


@dataclass(frozen=True)
class Mount:
    """A file system to mount before the server starts."""

    device: str  # a stable path such as /dev/disk/by-id/virtio-home
    path: str
    fs_type: str = "ext4"
    options: str = "nodev,nosuid,discard"


@dataclass(frozen=True)
class GuestNetwork:
    """The machine's own address; static, so that nobody waits for DHCP."""

    address: str = "10.0.2.15/24"
    gateway: str = "10.0.2.2"
    dns: tuple[str, ...] = ("10.0.2.3",)


@dataclass(frozen=True)
class Identity:
    """What stays the same for a machine over all its starts. `ssh_host_key` is a secret."""

    machine_id: str  # 32 hexadecimal digits
    ssh_host_key: str = field(repr=False)  # OpenSSH private key, ed25519
    ssh_host_public_key: str
    access_public_key: str  # the operator's way in (`vmlab machine ssh`)


@dataclass(frozen=True)
class Seed:
    """Everything that a start hands to the agent."""

    env: Mapping[str, str] = field(repr=False)  # the full hub environment: holds the API token
    args: tuple[str, ...] = ()
    notices: tuple[Notice, ...] = ()
    language: str = "en"


def make_seed_message(
    seed: Seed,
    identity: Identity,
    *,
    host_name: str,
    network: GuestNetwork,
    mounts: tuple[Mount, ...],
    randomness: bytes,
    now_ns: int,
) -> bytes:
    """Return the seed as one line of JSON for the agent.

    Args:
        randomness: RANDOM_BYTES fresh bytes for the guest's generator.
        now_ns: host time, nanoseconds since the epoch, taken as late as possible.

    Raises:
        ValueError: `randomness` has the wrong length.
    """
    if len(randomness) != RANDOM_BYTES:
        raise ValueError(f"a seed needs {RANDOM_BYTES} random bytes, got {len(randomness)}")
    body = {
        "version": SEED_VERSION,
        "randomness": base64.b64encode(randomness).decode(),
        "time_ns": now_ns,
        "machine_id": identity.machine_id,
        "host_name": host_name,
        "ssh_host_key": {
            "private": identity.ssh_host_key,
            "public": identity.ssh_host_public_key,
        },
        "authorized_keys": [identity.access_public_key],
        "network": {
            "address": network.address,
            "gateway": network.gateway,
            "dns": list(network.dns),
        },
        "mounts": [
            {"device": m.device, "path": m.path, "type": m.fs_type, "options": m.options}
            for m in mounts
        ],
        "notices": [{"en": n.en, "fr": n.fr} for n in seed.notices],
        "language": seed.language,
        "server": {"env": dict(seed.env), "args": list(seed.args)},
    }
    return json.dumps({"type": "seed", "seed": body}).encode() + b"\n"
