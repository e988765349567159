"""A machine's port in its event's network, as the monitor needs it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum


class PortKind(StrEnum):
    """What QEMU's `netdev_add` makes of the descriptor."""

    TAP = "tap"  # type=tap, fd=NAME, vhost=false; the kernel's tap, with vnet_hdr
    DGRAM = "dgram"  # type=dgram, local={type: fd, str: NAME}; where /dev/net/tun may not be opened


@dataclass(frozen=True)
class Port:
    """A machine's port; it is there as long as somebody has its descriptor open.

    Whoever got it closes it (`close`) once QEMU has its own by `getfd`, or does not want it.
    """

    kind: PortKind
    descriptor: int

    def close(self) -> None:
        """Let go of it; without another descriptor, QEMU's, the port is gone."""
        os.close(self.descriptor)
