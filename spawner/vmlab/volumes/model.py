"""Facts about volumes and snapshots."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

QUARANTINE_DAYS = 14.0
"""How long a deleted volume can be brought back, unless the operator says otherwise."""

MAX_MIB = 4096 * 1024
"""As `[volume] size` in lab.toml: 4 TiB."""

_STAMP = "%Y%m%dT%H%M%SZ"
_QUARANTINE_MARK = ".deleted-"  # no volume's own name has a dot (vmlab.names)
_NAME = re.compile(r"[a-z][a-z0-9-]{0,62}")


class Reason(StrEnum):
    """Why a snapshot was taken; it says how long the snapshot is kept (`thinning`)."""

    HOURLY = "hourly"  # by the hub, while the machine runs
    MANUAL = "manual"  # somebody asked for it
    KEPT = "kept"  # what a restore replaced
    BEFORE = "before"  # for the time of one operation, such as an export


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


def make_snapshot_id(reason: Reason, at: float) -> str:
    """Return a snapshot's name.

    Example:
        >>> make_snapshot_id(Reason.HOURLY, 0)
        'hourly-19700101T000000Z'
    """
    return f"{reason.value}-{datetime.fromtimestamp(int(at), UTC).strftime(_STAMP)}"


def parse_snapshot_id(text: str) -> tuple[Reason, float] | None:
    """Return reason and time of a snapshot by its name; None when VMLab did not make it."""
    word, _, stamp = text.partition("-")
    try:
        reason = Reason(word)
        taken = datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
    # strptime takes fewer digits too; names must be the same both ways.
    return (reason, taken) if make_snapshot_id(reason, taken) == text else None


def is_volume_name(text: str) -> bool:
    """Tell whether a volume may have this name: never a path, an option or a quarantined one."""
    return _NAME.fullmatch(text) is not None


def make_quarantine_name(name: str, at: float) -> str:
    """Return what a volume is called while it is in quarantine."""
    return f"{name}{_QUARANTINE_MARK}{datetime.fromtimestamp(int(at), UTC).strftime(_STAMP)}"


def parse_quarantine_name(text: str) -> tuple[str, float] | None:
    """Return a quarantined volume's own name and when it was deleted; None for another name."""
    name, mark, stamp = text.partition(_QUARANTINE_MARK)
    try:
        at = datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return None
    return (name, at) if mark and make_quarantine_name(name, at) == text else None


def own_name(name: str) -> str:
    """Return what a volume was called before it was deleted; of others the name itself."""
    own, _ = parse_quarantine_name(name) or (name, 0.0)
    return own
