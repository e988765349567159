"""What QEMU calls a machine's devices: on its command line, and over its monitor."""

from __future__ import annotations

CARD_BUS, VOLUME_BUS, SNAPSHOT_BUS = "slot0", "slot1", "slot2"
"""PCI Express ports that stay empty until a card, a volume, a snapshot are plugged in."""

ON_ERROR = {"werror": "enospc", "rerror": "report"}
"""A write for which the host has no room pauses the machine, which goes on when there is some again
(`vmlab.upkeep.volumes`); any other error is the guest's to handle."""


def make_blockdev(node: str, path: str) -> dict[str, object]:
    """Return a qcow2 disk that gives back what the guest discards, locked against a second use."""
    return {
        "driver": "qcow2",
        "node-name": node,
        "discard": "unmap",
        "detect-zeroes": "unmap",
        "file": {"driver": "file", "filename": path, "discard": "unmap", "locking": "on"},
    }
