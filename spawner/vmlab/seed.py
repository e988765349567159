"""Contextualisation: what a start hands to the agent, and what stays with a machine. Pure.

`vmlab_protocol.seed` has the form in which it travels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface

from vmlab.model import Card
from vmlab_protocol import seed as protocol
from vmlab_protocol.notices import Language, Notice
from vmlab_protocol.share import Share


def guest_network(dns: tuple[str, ...] = ("10.0.2.3",)) -> protocol.Network:
    """Return the address of every machine in its own network; static, nobody waits for DHCP."""
    return protocol.Network(
        address=IPv4Interface("10.0.2.15/24"),
        gateway=IPv4Address("10.0.2.2"),
        dns=tuple(map(IPv4Address, dns)),
    )


def event_network(card: Card) -> protocol.EventNetwork:
    """Return what a machine is told of its place in its event's network.

    Its own names lead to its address in the machine itself, too: what a program there says of
    itself to others is right for them.
    """
    return protocol.EventNetwork(
        mac=card.mac,
        address=card.address,
        dns=(card.network.resolver,),
        names=(*card.names, *card.own_names),
    )


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
    serves: bool = True  # whether a single-user server runs in it; else `env` and `args` stay here
    share: Share | None = None  # the machine's part of its event's file server
    keys: tuple[str, ...] = ()  # the public keys that let the trainee in by SSH
    kin: protocol.Kin | None = None  # how it reaches the trainee's other machines by SSH
    # Makes the certificate of the machine's public host key; None: it gets none. What signs it
    # stays on the hub's side.
    certify: Callable[[str], str] | None = field(default=None, repr=False, compare=False)


def make_seed_message(
    seed: Seed,
    identity: Identity,
    *,
    host_name: str,
    network: protocol.Network,
    mounts: tuple[protocol.Mount, ...],
    event: protocol.EventNetwork | None = None,
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
    public = identity.ssh_host_public_key
    certificate = seed.certify(public) if seed.certify else ""
    return protocol.dump_seed(
        protocol.Seed(
            randomness=randomness,
            time_ns=now_ns,
            machine_id=identity.machine_id,
            host_name=host_name,
            ssh_host_key=protocol.HostKey(identity.ssh_host_key, public, certificate),
            authorized_keys=(identity.access_public_key,),
            network=network,
            mounts=mounts,
            notices=seed.notices,
            language=Language(seed.language),
            server=protocol.Server(dict(seed.env), seed.args) if seed.serves else None,
            event=event,
            share=seed.share,
            own_keys=seed.keys,
            kin=seed.kin,
        )
    )
