"""The phases of a start: the host goes through the first ones, the agent reports its own."""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """The phases of a start, in order. The host's come first, then the agent's."""

    QUEUE = "queue"  # waiting for a start slot
    IMAGE = "image"  # image found and verified
    DISK = "disk"  # root overlay made or found
    VOLUME = "volume"  # the trainee's volume made or found; errors of later work on it, too
    POWER = "power"  # the machine's process runs
    BOOT = "boot"  # the agent answered; errors of getting a machine ready to be cloned, too
    IDENTITY = "identity"  # randomness, clock, machine-id, host name
    KEYS = "keys"  # SSH host keys, authorized keys
    NETWORK = "network"
    MOUNTS = "mounts"
    EXERCISES = "exercises"
    SERVER = "server"  # the single-user server was launched
    READY = "ready"  # it answers under its prefix


PHASES: tuple[Phase, ...] = tuple(Phase)

GUEST_PHASES = frozenset(
    {Phase.IDENTITY, Phase.KEYS, Phase.NETWORK, Phase.MOUNTS, Phase.EXERCISES, Phase.SERVER}
)
"""Those that an agent may report."""
