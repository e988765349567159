"""Seeds as the hub's side makes them."""

from __future__ import annotations

import base64
import json
from ipaddress import IPv4Interface, IPv4Network
from typing import Any

from vmlab.model import Card, NetworkSpec
from vmlab.seed import Identity, Seed, event_network, guest_network, make_seed_message
from vmlab_protocol.notices import Notice
from vmlab_protocol.seed import Kin, KinHost, Mount

PRIVATE_KEY = (
    "-----BEGIN OPENSSH PRIVATE KEY-----\n"
    + base64.b64encode(b"no real key, only the form of one" * 6).decode()
    + "\n-----END OPENSSH PRIVATE KEY-----\n"
)
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA desk"
CERTIFICATE = f"ssh-ed25519-cert-v01@openssh.com {'A' * 200}"
KIN = Kin(
    PRIVATE_KEY.replace(base64.b64encode(b"no rea").decode(), "S0lOS0lO"),
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB",
    (
        KinHost("desk-ada-0123456789ab", ("desk", "desk-t01")),
        KinHost("node1-ada-0123456789ab", ("node1", "node1.t01")),
    ),
)
"""Of somebody with two machines."""
NOW_NS = 1_700_000_500 * 10**9
TOKEN = "0123-token-of-ada-4567"
ENV = {
    "JUPYTERHUB_API_TOKEN": TOKEN,
    "JUPYTERHUB_API_URL": "http://10.0.2.2:8081/hub/api",
    "JUPYTERHUB_SERVICE_URL": "http://0.0.0.0:8888/user/ada/",
}


CARD = Card(
    NetworkSpec("class", IPv4Network("10.77.0.0/16")),
    mac="02:00:0a:4d:01:01",
    address=IPv4Interface("10.77.1.1/16"),
    trainee="ada",
    names=("desk-t01",),
    own_names=("desk",),
)


def make_line(
    *, dns: tuple[str, ...] = ("10.0.2.3",), card: Card | None = None, **changes: Any
) -> bytes:
    """Return a seed as the line that travels; `changes` are parts of `vmlab.seed.Seed`.

    Args:
        card: the machine's place in an event's network.
    """
    values = {
        "env": ENV,
        "args": ("--HubOAuth.base_url=/user/ada/",),
        "notices": (Notice("The system is new.", "Le système est neuf."),),
        "language": "fr",
    } | changes
    return make_seed_message(
        Seed(**values),
        Identity("0" * 31 + "a", PRIVATE_KEY, PUBLIC_KEY, PUBLIC_KEY),
        host_name=card.names[0] if card else "desk-ada",
        network=guest_network(dns=dns),
        event=event_network(card) if card else None,
        mounts=(Mount("/dev/disk/by-id/virtio-home", "/home/trainee"),),
        randomness=bytes(range(64)),
        now_ns=NOW_NS,
    )


def make_seed(**changes: Any) -> dict[str, Any]:
    """Return the seed itself, decoded."""
    seed: dict[str, Any] = json.loads(make_line(**changes))["seed"]
    return seed
