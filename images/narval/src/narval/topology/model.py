"""A topology: the actors of a sub-system and the buffers that connect them. Facts only.

Words are those of NARVAL's own configuration files: *producer*, *intermediary*, *consumer*,
*stand-alone actor*, *output buffer*, *data source*, *port*.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property


class Role(StrEnum):
    """What an actor is; the value is the element's name in the file."""

    PRODUCER = "producer"  # outputs only
    INTERMEDIARY = "intermediary"  # inputs and outputs
    CONSUMER = "consumer"  # inputs only
    STAND_ALONE_ACTOR = "stand_alone_actor"  # neither


class LogLevel(StrEnum):
    """How much an actor says, the most talkative first."""

    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"
    FATAL = "fatal"


HOST_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,252}|::1")
"""What may be a host's name or address: no option of ssh, no user, no space."""

FIFO = "fifo"
"""The port between actors of one host."""

NETWORK_PORTS = ("eth0", "eth1", "eth2", "eth3", "ib0", "ib1")
"""Ports between hosts, by network interface."""

PORTS = (FIFO, *NETWORK_PORTS)


def is_loopback(hostname: str) -> bool:
    """Tell whether a name or address means this host on each host: `localhost`, `127.0.0.1`."""
    if hostname.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(hostname).is_loopback
    except ValueError:
        return False


def is_same_host(one: str, other: str) -> bool:
    """Tell whether two names or addresses are one host, as far as they say so themselves."""
    return one.lower() == other.lower() or (is_loopback(one) and is_loopback(other))


@dataclass(frozen=True)
class OutputBuffer:
    """A named buffer that an actor fills, and how it is read."""

    name: str
    size_bytes: int
    port: str  # one of PORTS
    line: int = 0


@dataclass(frozen=True)
class DataSource:
    """The buffer of another actor that an actor reads."""

    actor: str
    buffer: str
    port: str
    line: int = 0


@dataclass(frozen=True)
class Actor:
    """One process of the acquisition."""

    name: str
    role: Role
    hostname: str
    binary_code: str  # the program: generic_producer, generic_filter, ...
    log_level: LogLevel = LogLevel.INFO
    outputs: tuple[OutputBuffer, ...] = ()
    sources: tuple[DataSource, ...] = ()
    arguments: tuple[str, ...] = ()  # in the order of the file
    line: int = 0


@dataclass(frozen=True)
class Topology:
    """All actors of one sub-system, in the order of the file."""

    actors: tuple[Actor, ...]

    def actor(self, name: str) -> Actor:
        """Return the actor of this name.

        Raises:
            KeyError: there is none.
        """
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Actor]:
        """The first actor of each name."""
        return {actor.name: actor for actor in reversed(self.actors)}
