"""Heads of disks: files from outside, and volumes that a QEMU may have changed."""

from __future__ import annotations

import io
import os

from fuzz.target import check, scratch, target
from vmlab.errors import VolumeError
from vmlab.system.worker import WorkerUser
from vmlab.volumes.disk_image import DiskImage
from vmlab.volumes.importing import ImportFormat, judge_head, read_disk
from vmlab.volumes.qcow2 import Qcow2Error, read_volume
from vmlab_protocol.ext4 import Ext4Error, has_project_quota, is_in_order, read_space
from vmlab_protocol.snapshots import parse_snapshot_id

_QCOW2 = "vmlab.volumes.qcow2"
USER = WorkerUser(os.geteuid(), os.getegid(), drop=False)


@target(
    "qcow2",
    VolumeError,
    parsers=(f"{_QCOW2}:parse_header", f"{_QCOW2}:parse_snapshot_table", f"{_QCOW2}:read_volume"),
    is_text=False,
)
def qcow2(data: bytes) -> None:
    path = scratch("volumes") / "home-ada.qcow2"
    path.write_bytes(data)
    try:
        in_memory = read_volume(io.BytesIO(data))
    except Qcow2Error:
        in_memory = None
    header, snapshots = DiskImage("home-ada", path, USER).read()
    check(in_memory == (header, snapshots), "a file and its bytes say different things")
    for snapshot in snapshots:
        check(parse_snapshot_id(snapshot.id) is not None, snapshot)


@target("import-head", VolumeError, parsers=("vmlab.volumes.importing:judge_head",
    "vmlab.volumes.importing:read_disk",), is_text=False,
        most_bytes=1024)  # fmt: skip
def import_head(data: bytes) -> None:
    judge_head("home-ada", data, ImportFormat.RAW)
    form = judge_head("home-ada", data, ImportFormat.AUTO)
    check(0 <= read_disk("home-ada", data, form, len(data)).size_bytes < 2**64, form)
    check(judge_head("home-ada", data, form) is form, "guessed and told are judged differently")
    if form is ImportFormat.QCOW2:
        check(data[8:16] == bytes(8), "a backing file was taken")


@target(
    "ext4",
    Ext4Error,
    parsers=(
        "vmlab_protocol.ext4:read_space",
        "vmlab_protocol.ext4:is_in_order",
        "vmlab_protocol.ext4:has_project_quota",
    ),
    is_text=False,
    most_bytes=4096,
)
def ext4(data: bytes) -> None:
    is_in_order(data)
    has_project_quota(data)
    space = read_space(data)
    check(0 < space.size_bytes < 2**80, space)
    check(min(space.free, space.reserved) >= 0, space)
