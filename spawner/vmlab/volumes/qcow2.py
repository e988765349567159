"""What the head of a qcow2 file says. Pure: bytes in, facts out; reads nothing else.

Listing two hundred volumes must not take two hundred processes, and a file from outside must be
judged before any program opens it.
ref: qemu/docs/interop/qcow2.txt
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from vmlab.volumes.model import Snapshot
from vmlab_protocol.snapshots import parse_snapshot_id

MAGIC = b"QFI\xfb"
_HEAD = struct.Struct(">4sIQIIQIIQQIIQ")  # up to and with snapshots_offset
_FEATURES = struct.Struct(">QQQII")  # version 3: three masks, refcount order, header length
_ENTRY = struct.Struct(">QIHHIIQII")
_HEAD_BYTES = _HEAD.size + _FEATURES.size

DIRTY, CORRUPT, EXTERNAL_DATA = 1, 2, 4
"""Incompatible features that matter here."""

_MAX_SNAPSHOTS = 4096
_MAX_TABLE_BYTES = 2**20
_MAX_OFFSET = 2**63 - 1 - _MAX_TABLE_BYTES  # lseek(2) takes no more
_MAX_EXTRA_BYTES = 1024
_MIB = 2**20
_TRIES = 5


class Qcow2Error(ValueError):
    """The bytes are no qcow2 file that VMLab understands."""


@dataclass(frozen=True)
class Header:
    """The first bytes of a qcow2 file."""

    version: int
    size_bytes: int  # what a machine sees
    backing_file: bool  # it names another file
    encrypted: bool
    features: int  # incompatible ones
    snapshots: int
    snapshots_offset: int

    @property
    def size_mib(self) -> int:
        """What a machine sees, rounded down."""
        return self.size_bytes // _MIB


def parse_header(data: bytes) -> Header:
    """Return what the first bytes of a file say.

    Raises:
        Qcow2Error: it is not a qcow2 file, or one of an unknown version.
    """
    if data[:4] != MAGIC:
        raise Qcow2Error("it does not begin as a qcow2 file does")
    if len(data) < _HEAD.size:
        raise Qcow2Error("it is cut off within its header")
    # fmt: off
    (_, version, backing_offset, _, _, size, crypt, _, _, _, _,
     snapshots, snapshots_offset) = _HEAD.unpack_from(data)
    # fmt: on
    if version not in {2, 3}:
        raise Qcow2Error(f"qcow2 version {version} is unknown")
    features = 0
    if version == 3:
        if len(data) < _HEAD_BYTES:
            raise Qcow2Error("it is cut off within its header")
        features = _FEATURES.unpack_from(data, _HEAD.size)[0]
    return Header(
        version, size, backing_offset != 0, crypt != 0, features, snapshots, snapshots_offset
    )


def read_header(file: BinaryIO) -> Header:
    """Return the header of an open file.

    Raises:
        Qcow2Error: as `parse_header`.
        OSError: it cannot be read.
    """
    file.seek(0)
    return parse_header(file.read(_HEAD_BYTES))


def parse_snapshot_table(data: bytes, count: int) -> list[Snapshot]:
    """Return the snapshots of this table that VMLab made, oldest first.

    Raises:
        Qcow2Error: the table is damaged.
    """
    found, at = [], 0
    for _ in range(count):
        try:
            _, _, id_bytes, name_bytes, _, _, _, _, extra = _ENTRY.unpack_from(data, at)
        except struct.error as error:
            raise Qcow2Error("its table of snapshots is cut off") from error
        at += _ENTRY.size
        if extra > _MAX_EXTRA_BYTES or at + extra + id_bytes + name_bytes > len(data):
            raise Qcow2Error("its table of snapshots is damaged")
        size = struct.unpack_from(">Q", data, at + 8)[0] if extra >= 16 else 0
        at += extra + id_bytes
        name = data[at : at + name_bytes].decode(errors="replace")
        at = -(-(at + name_bytes) // 8) * 8
        if parsed := parse_snapshot_id(name):
            found.append(Snapshot(name, *parsed, size // _MIB))
    return sorted(found, key=lambda snapshot: (snapshot.taken, snapshot.id))


def read_volume(file: BinaryIO) -> tuple[Header, list[Snapshot]]:
    """Return header and snapshots of an open file, which a running machine may be writing to.

    Raises:
        Qcow2Error: it is not a qcow2 file, or damaged.
        OSError: it cannot be read.
    """
    problem = Qcow2Error("its snapshots change all the time")
    for _ in range(_TRIES):
        header = read_header(file)
        if header.snapshots > _MAX_SNAPSHOTS:
            raise Qcow2Error(f"it says that it has {header.snapshots} snapshots")
        if not header.snapshots:
            return header, []
        if header.snapshots_offset > _MAX_OFFSET:
            raise Qcow2Error("its table of snapshots is beyond the largest possible file")
        file.seek(header.snapshots_offset)
        data = file.read(_MAX_TABLE_BYTES)
        try:
            snapshots = parse_snapshot_table(data, header.snapshots)
        except Qcow2Error as error:
            problem = error
        else:
            # A new table is written elsewhere, and the header turned to it afterwards.
            if read_header(file) == header:
                return header, snapshots
    raise problem
