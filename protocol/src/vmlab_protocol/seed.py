"""The seed: what makes one machine itself. Pure; `seed_reader` checks one that arrived.

The hub's side makes it once for each start and the agent applies it; docs/protocols.md, section 1,
shows the form. It travels over a channel that only the hub's side can read (virtio-serial with
QEMU), never through user-data, an image, a command line or a log.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface
from typing import Any

from vmlab_protocol.messages import HostMessageType, dump_line
from vmlab_protocol.notices import Language, Notice
from vmlab_protocol.share import Share, share_json

SEED_VERSION = 1
HOME_SEED_VERSION = 2
"""Of a seed whose home is on the file server: an agent that knows no such homes must refuse it. It
would leave the home on the system disk, where what is saved does not last."""

RANDOM_BYTES = 64
"""For the guest's generator."""

MIN_RANDOM_BYTES, MAX_RANDOM_BYTES = 32, 512
"""What an agent takes. The kernel's pool holds 256 bits; more than 512 bytes are a mistake."""


@dataclass(frozen=True)
class HostKey:
    """The machine's SSH identity."""

    private: str = field(repr=False)
    public: str
    certificate: str = ""  # of the public half, under the machine's unique name; empty: none


@dataclass(frozen=True)
class KinHost:
    """One of the machines of a trainee, as the others of them find it."""

    machine: str  # its unique name, which its host certificate is for
    names: tuple[str, ...]  # by which it is asked for


@dataclass(frozen=True)
class Kin:
    """How a machine logs in to the others of the same trainee, and recognizes them."""

    private: str = field(repr=False)  # OpenSSH's form: the machine's own, for `trainee` and root
    authority: str  # public key by which the host certificates of all machines are signed
    hosts: tuple[KinHost, ...]


@dataclass(frozen=True)
class Network:
    """The machine's own address; static, so that nobody waits for DHCP."""

    address: IPv4Interface
    gateway: IPv4Address
    dns: tuple[IPv4Address, ...]


@dataclass(frozen=True)
class EventNetwork:
    """The machine's place in the network of its event, on a card of its own."""

    mac: str  # of the card
    address: IPv4Interface
    dns: tuple[IPv4Address, ...]  # knows the event's names, and no others
    names: tuple[str, ...]  # the machine's own; the first is its host name


@dataclass(frozen=True)
class Mount:
    """A file system to mount before the server starts."""

    device: str  # a stable path such as /dev/disk/by-id/virtio-home
    path: str
    fs_type: str = "ext4"
    options: str = "nodev,nosuid,discard"


@dataclass(frozen=True)
class Server:
    """How the single-user server is started; `env` holds the hub token."""

    env: dict[str, str] = field(repr=False)
    args: tuple[str, ...]


@dataclass(frozen=True)
class Seed:
    """Everything that a start hands to the agent."""

    randomness: bytes = field(repr=False)
    time_ns: int  # host time since the epoch, taken as late as possible
    machine_id: str  # 32 hexadecimal digits
    host_name: str
    ssh_host_key: HostKey
    authorized_keys: tuple[str, ...]
    network: Network
    mounts: tuple[Mount, ...]
    notices: tuple[Notice, ...]
    language: Language
    server: Server | None  # None: nobody works in it by a browser: a node, or the event's server
    event: EventNetwork | None = None  # None: the machine is on its own
    share: Share | None = None  # its part of the event's file server
    own_keys: tuple[str, ...] = ()  # the trainee's, for `trainee` and root
    kin: Kin | None = None  # None: the trainee has no other machines


def dump_seed(seed: Seed) -> bytes:
    """Return the seed as the line that the agent reads.

    Raises:
        ValueError: its randomness has the wrong length.
    """
    if len(seed.randomness) != RANDOM_BYTES:
        raise ValueError(f"a seed needs {RANDOM_BYTES} random bytes, got {len(seed.randomness)}")
    return dump_line(HostMessageType.SEED, seed=_body(seed))


def _body(seed: Seed) -> dict[str, Any]:
    server = seed.server
    body = {
        "version": HOME_SEED_VERSION if seed.share and seed.share.is_home else SEED_VERSION,
        "randomness": base64.b64encode(seed.randomness).decode(),
        "time_ns": seed.time_ns,
        "machine_id": seed.machine_id,
        "host_name": seed.host_name,
        "ssh_host_key": _host_key(seed.ssh_host_key),
        "authorized_keys": list(seed.authorized_keys),
        "own_keys": list(seed.own_keys),
        "network": {
            "address": str(seed.network.address),
            "gateway": str(seed.network.gateway),
            "dns": [str(server) for server in seed.network.dns],
        },
        "mounts": [
            {"device": m.device, "path": m.path, "type": m.fs_type, "options": m.options}
            for m in seed.mounts
        ],
        "notices": [{"en": n.en, "fr": n.fr} for n in seed.notices],
        "language": seed.language.value,
        "server": {"env": dict(server.env), "args": list(server.args)} if server else None,
    }
    if seed.event:
        body["event"] = {
            "mac": seed.event.mac,
            "address": str(seed.event.address),
            "dns": [str(server) for server in seed.event.dns],
            "names": list(seed.event.names),
        }
    if seed.share:
        body["share"] = share_json(seed.share)
    if seed.kin:
        body["kin"] = {
            "private": seed.kin.private,
            "authority": seed.kin.authority,
            "hosts": [{"machine": h.machine, "names": list(h.names)} for h in seed.kin.hosts],
        }
    return body


def _host_key(key: HostKey) -> dict[str, str]:
    pair = {"private": key.private, "public": key.public}
    return pair | {"certificate": key.certificate} if key.certificate else pair
