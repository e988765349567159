"""The checkpoints on disk: what was done for a machine, written before the next step begins."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from enum import StrEnum

from vmlab.errors import ProviderError
from vmlab.providers.qemu.machine.layout import MachineFolder
from vmlab.system.outside import as_facts
from vmlab_protocol.atomic import write_atomic
from vmlab_protocol.outside import load_json

RECORD_VERSION = 2
_SHOWN = 200


class Stage(StrEnum):
    """How far a machine got. From `POWERED` to `SEEDED` something may run."""

    CREATED = "created"  # the folder exists
    DISK = "disk"  # the root overlay exists
    POWERED = "powered"  # the shim was launched; QEMU waits
    LIVE = "live"  # all is plugged in, the guest runs
    SEEDED = "seeded"  # the agent applied the seed
    STOPPED = "stopped"  # powered off by request


@dataclass(frozen=True)
class Record:
    """One machine's checkpoint."""

    name: str
    owner: str
    image: str
    image_version: str = ""
    stage: Stage = Stage.CREATED
    powered_at: float = 0.0  # seconds since the epoch
    used: bool = False  # whether it was ever a trainee's: then its root disk holds their work
    unit: str = ""  # of its scope or cgroup; a machine of the pool keeps it when it is claimed
    style: str = ""  # how it came to life last (`StartStyle` or "pool")
    version: int = RECORD_VERSION


RUNNING_STAGES = frozenset({Stage.POWERED, Stage.LIVE, Stage.SEEDED})


def read_record(folder: MachineFolder) -> Record | None:
    """Return the checkpoint, or None when there is none.

    Raises:
        ProviderError: the file is damaged or was written by a newer VMLab.
    """
    name = folder.path.name
    try:
        fields = load_json(folder.record.read_bytes())
        if fields["version"] == 1:
            fields["used"] = True  # of a VMLab that did not say
        record = as_facts(Record, {**fields, "stage": Stage(fields["stage"])})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ProviderError(
            name,
            f"its record {folder.record} cannot be read: {str(error)[:_SHOWN]}",
            hint="move the file away; disks and volume are found again by their names",
        ) from error
    if record.version > RECORD_VERSION:
        raise ProviderError(
            name,
            f"its record has version {record.version}, this VMLab knows {RECORD_VERSION}",
            hint="run the newer VMLab that wrote it",
        )
    return record


def write_record(folder: MachineFolder, record: Record, **changes: object) -> Record:
    """Write the checkpoint with these changes; return it."""
    changed = replace(record, **changes)  # type: ignore[arg-type]
    write_atomic(folder.record, json.dumps(asdict(changed), indent=1).encode())
    return changed
