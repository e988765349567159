"""File systems of the seed: checked, mounted, and made a home when they are fresh."""

from __future__ import annotations

import os
from pathlib import Path

from vmlab_guest.errors import ApplyError
from vmlab_guest.reserve import apply_reserve
from vmlab_guest.serving.volume import MOUNT_OPTION, prepare_volume
from vmlab_guest.system import System, inside
from vmlab_protocol.ext4 import SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET, is_in_order
from vmlab_protocol.machine import HOME, TRAINEE_UID
from vmlab_protocol.seed import Mount
from vmlab_protocol.share import ROOT

_BY_SERIAL = "/dev/disk/by-id/virtio-"
_DEVICE_DEADLINE_S = 60.0
_CHECK_DEADLINE_S = 600.0  # a large volume after a power cut
_FSCK_OK = (0, 1, 2)  # clean, mended, mended (a restart advised, which is for root file systems)


def apply_mounts(system: System, mounts: tuple[Mount, ...]) -> None:
    """Mount what is not mounted yet; a home that is still empty gets the files of /etc/skel.

    Raises:
        ApplyError: a device did not appear, is damaged, or something else is mounted there.
        OSError: the file system refused.
    """
    for mount in mounts:
        if _apply_mount(system, mount) and mount.path == HOME:
            _fill_fresh_home(system, inside(system, HOME))


def find_mounted(mountinfo: str, path: str) -> str | None:
    """Return the source that is mounted at `path`, by the text of /proc/self/mountinfo."""
    source = None
    for line in mountinfo.splitlines():
        fields = line.split()
        if len(fields) > 4 and "-" in fields and fields[4] == path:
            source = fields[fields.index("-") + 2]  # the last one lies on top
    return source


def find_device(system: System, name: str) -> Path | None:
    """Return the device's place below /dev, or None while it is not there.

    A disk named by its serial number is looked up in /sys: the kernel knows it at once, udev's
    link comes later.
    """
    serial = name.removeprefix(_BY_SERIAL)
    if serial == name:
        device = inside(system, name)
        return device if device.exists() else None
    disks = inside(system, "/sys/block")
    for disk in disks.iterdir() if disks.is_dir() else ():
        try:
            found = (disk / "serial").read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            continue  # has none, or was unplugged while we looked
        device = inside(system, "/dev") / disk.name
        if found == serial and device.exists():
            return device
    return None


def _apply_mount(system: System, mount: Mount) -> bool:
    """Mount the device; return False when it was mounted already."""
    device = system.wait_for(lambda: find_device(system, mount.device), _DEVICE_DEADLINE_S)
    if device is None:
        raise ApplyError(
            f"{mount.device} for {mount.path} did not appear within {_DEVICE_DEADLINE_S:g} s"
        )
    real = f"/{Path(os.path.realpath(device)).relative_to(os.path.realpath(system.root))}"
    mountinfo = inside(system, "/proc/self/mountinfo").read_text(encoding="utf-8")
    mounted = find_mounted(mountinfo, mount.path)
    if mounted is not None:
        if mounted in {real, mount.device}:
            return False
        raise ApplyError(f"{mount.path}: {mounted} is mounted there, not {mount.device} ({real})")
    if mount.fs_type == "ext4" and not _is_in_order(device):
        # The machine was cut off: the journal is replayed and checked.
        system.run("e2fsck", "-p", real, ok=_FSCK_OK, timeout_s=_CHECK_DEADLINE_S)
    if mount.fs_type == "ext4" and mount.path == HOME:
        apply_reserve(system, device, real)
    options = mount.options
    if mount.path == ROOT:
        prepare_volume(system, device, real)
        options = f"{options},{MOUNT_OPTION}"
    inside(system, mount.path).mkdir(mode=0o755, parents=True, exist_ok=True)
    system.mount(real, mount.path, mount.fs_type, options)
    return True


def _is_in_order(device: Path) -> bool:
    with device.open("rb", buffering=0) as stream:
        stream.seek(SUPERBLOCK_OFFSET)
        return is_in_order(stream.read(SUPERBLOCK_BYTES))


def _fill_fresh_home(system: System, home: Path) -> None:
    """Copy /etc/skel into a home that holds nothing but what an interrupted copy left.

    Called before anything of the trainee runs; a link that the volume brings along is left alone.
    """
    import shutil  # noqa: PLC0415 - not before the agent's first word

    skel = inside(system, "/etc/skel")
    wanted = {entry.name: entry for entry in skel.iterdir()} if skel.is_dir() else {}
    present = {entry.name for entry in home.iterdir()}
    if not present <= {"lost+found", *wanted}:
        return
    for name, entry in sorted(wanted.items()):
        target = home / name
        if target.is_symlink():
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.copytree(entry, target, symlinks=True, dirs_exist_ok=True)
            _give_tree(system, target)
        elif name not in present:
            shutil.copyfile(entry, target, follow_symlinks=False)
            shutil.copymode(entry, target, follow_symlinks=False)
            system.give(target, TRAINEE_UID)
    system.give(home, TRAINEE_UID)


def _give_tree(system: System, top: Path) -> None:
    for folder, folders, files in os.walk(top):
        for name in (*folders, *files):
            system.give(Path(folder) / name, TRAINEE_UID)
    system.give(top, TRAINEE_UID)
