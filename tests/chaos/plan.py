"""What happens in a run, from its seed alone: a sequence of deeds for each trainee and the host."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from vmlab_protocol.phases import PHASES, Phase


class Deed(StrEnum):
    """What a trainee, an operator or bad luck does."""

    # A trainee's and an operator's work.
    WORK = "work"  # start if need be, and write for a while
    STOP = "stop"
    CANCEL = "cancel"  # a start, at some stage
    RENEW = "renew"  # a new machine with the same volume
    SNAPSHOT = "snapshot"
    RESTORE = "restore"  # the newest snapshot that was asked for

    # Faults of one machine.
    KILL_QEMU = "kill QEMU"
    KILL_AT_STAGE = "kill QEMU while it starts"
    KILL_AGENT = "kill the agent"
    KILL_COMMAND = "kill the command line"
    LOSE_LINK = "lose the virtio-serial link"
    JUMP_CLOCK = "jump of the clock"

    # Faults of the host.
    KILL_HUB = "kill the hub"
    RESTART_HUB = "restart the hub"
    KILL_PROXY = "kill the proxy"
    FILL_DISK = "fill the host's disk"


FAULTS = frozenset(Deed) - {
    Deed.WORK,
    Deed.STOP,
    Deed.CANCEL,
    Deed.RENEW,
    Deed.SNAPSHOT,
    Deed.RESTORE,
    Deed.RESTART_HUB,
}

TRAINEE_WEIGHTS: Mapping[Deed, int] = {
    Deed.WORK: 6,
    Deed.STOP: 1,
    Deed.CANCEL: 2,
    Deed.RENEW: 3,
    Deed.SNAPSHOT: 4,
    Deed.RESTORE: 1,
    Deed.KILL_QEMU: 2,
    Deed.KILL_AT_STAGE: 2,
    Deed.KILL_AGENT: 2,
    Deed.KILL_COMMAND: 3,
    Deed.LOSE_LINK: 2,
    Deed.JUMP_CLOCK: 2,
}

HOST_WEIGHTS: Mapping[Deed, int] = {
    Deed.KILL_HUB: 3,
    Deed.RESTART_HUB: 1,
    Deed.KILL_PROXY: 2,
    Deed.FILL_DISK: 2,
}


@dataclass(frozen=True)
class Step:
    """One deed, with what chance decided about it."""

    deed: Deed
    stage: Phase  # at which it happens, for deeds that happen in a start
    chance: float  # 0 to 1: how long to wait, which way to jump


def make_plan(seed: int, who: str, weights: Mapping[Deed, int]) -> Iterator[Step]:
    """Yield steps without end; the same ones for the same arguments."""
    chance = random.Random(f"{seed}/{who}")
    # A course through all deeds first: a short run shall meet each kind of fault.
    deeds = list(weights)
    chance.shuffle(deeds)
    while True:
        deed = deeds.pop() if deeds else chance.choices(list(weights), list(weights.values()))[0]
        yield Step(deed, chance.choice(PHASES[1:]), chance.random())
