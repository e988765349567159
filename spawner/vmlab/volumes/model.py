"""Facts about volumes and snapshots."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from vmlab_protocol.snapshots import Reason, make_stamp, parse_stamp

QUARANTINE_DAYS = 14.0
"""How long a deleted volume can be brought back, unless the operator says otherwise."""

MAX_MIB = 4096 * 1024
"""As `[volume] size` in lab.toml: 4 TiB."""

_QUARANTINE_MARK = ".deleted-"  # no volume's own name has a dot (vmlab.names)
_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")


class ExportFormat(StrEnum):
    """Disk formats that a volume can be taken home in."""

    QCOW2 = "qcow2"  # KVM
    VMDK = "vmdk"  # VMware, VirtualBox
    VDI = "vdi"  # VirtualBox
    RAW = "raw"


@dataclass(frozen=True)
class Snapshot:
    """A state of a volume that does not change any more."""

    id: str
    reason: Reason
    taken: float  # seconds since the epoch
    size_mib: int  # of the volume at that time


def is_volume_name(text: str) -> bool:
    """Tell whether a volume may have this name: never a path, an option or a quarantined one."""
    return _NAME.fullmatch(text) is not None


def make_quarantine_name(name: str, at: float) -> str:
    """Return what a volume is called while it is in quarantine."""
    return f"{name}{_QUARANTINE_MARK}{make_stamp(at)}"


def parse_quarantine_name(text: str) -> tuple[str, float] | None:
    """Return a quarantined volume's own name and when it was deleted; None for another name."""
    name, mark, stamp = text.partition(_QUARANTINE_MARK)
    try:
        return (name, parse_stamp(stamp)) if mark else None
    except ValueError:
        return None


def own_name(name: str) -> str:
    """Return what a volume was called before it was deleted; of others the name itself."""
    own, _ = parse_quarantine_name(name) or (name, 0.0)
    return own
