"""A snapshot of the volume, which the host plugs in, mounted read-only."""

from __future__ import annotations

from vmlab_guest.errors import ApplyError
from vmlab_guest.mounts import find_device
from vmlab_guest.system import System, inside
from vmlab_protocol.machine import SNAPSHOT_SERIAL, disk_device
from vmlab_protocol.snapshots import is_snapshot_id

FOLDER = "/snapshots"
# noload: the journal of a snapshot is not replayed, whatever is in it; its disk takes no writes.
OPTIONS = "ro,noload,nodev,nosuid,noexec"
_DEVICE_DEADLINE_S = 60.0


def show_snapshot(system: System, snapshot: object) -> None:
    """Mount the snapshot's disk below /snapshots; whatever was shown before is hidden.

    Raises:
        ApplyError: it has no valid name, or its disk did not appear.
        OSError: the kernel refused.
    """
    if not is_snapshot_id(snapshot):
        raise ApplyError(f"{str(snapshot)[:40]!r} is not a name of a snapshot")
    hide_snapshots(system)
    device = system.wait_for(
        lambda: find_device(system, disk_device(SNAPSHOT_SERIAL)), _DEVICE_DEADLINE_S
    )
    if device is None:
        raise ApplyError(f"no disk of a snapshot appeared within {_DEVICE_DEADLINE_S:g} s")
    path = f"{FOLDER}/{snapshot}"
    inside(system, path).mkdir(mode=0o755, parents=True, exist_ok=True)
    system.mount(f"/dev/{device.name}", path, "ext4", OPTIONS)


def hide_snapshots(system: System) -> None:
    """Unmount whatever is shown, also where somebody still looks; no-op when nothing is.

    Raises:
        OSError: the kernel refused.
    """
    mountinfo = inside(system, "/proc/self/mountinfo").read_text(encoding="utf-8")
    places = [line.split()[4] for line in mountinfo.splitlines()]
    for place in reversed([p for p in places if p.startswith(f"{FOLDER}/")]):
        system.unmount(inside(system, place), lazy=True)
    folder = inside(system, FOLDER)
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir() and not path.is_symlink() and not any(path.iterdir()):
            path.rmdir()
