"""Root overlays of machines. Nothing is mounted on the host."""

from __future__ import annotations

from pathlib import Path

from vmlab.system.tools import run_tool
from vmlab.system.worker import WorkerUser


async def ensure_overlay(overlay: Path, base: Path, user: WorkerUser) -> bool:
    """Make the machine's root disk over the image unless it is there; return whether it was made.

    Raises:
        HostError: the disk is full or qemu-img failed.
    """
    if overlay.exists():
        return False
    partial = overlay.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    await run_tool(
        "qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(base),
        "-o", "extended_l2=on,cluster_size=128k,lazy_refcounts=on", str(partial),
    )  # fmt: skip
    user.give(partial)
    partial.rename(overlay)
    return True


async def check_overlay(overlay: Path, user: WorkerUser) -> None:
    """Check that a root disk can be opened with all that it stands on; changes nothing.

    As the machine's user: its QEMU may have written a reference to any file of the host into it.

    Raises:
        HostError: it, or its image, is missing or damaged.
    """
    await run_tool(
        "qemu-img", "info", "-U", "--backing-chain", "--output=json", str(overlay), user=user
    )
