"""One machine on disk: which file is where in its folder, and what was done for it so far.

What was done is written before the next step begins, so that any process can take over.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path

from vmlab.errors import HostError, ProviderError
from vmlab.system.locks import is_locked
from vmlab.system.outside import as_facts
from vmlab_protocol.atomic import write_atomic
from vmlab_protocol.outside import load_json

ROOT_DISK, SNAPSHOT_DISK = "root.qcow2", "snapshot.qcow2"
"""Names within the folder: QEMU runs there, so that a folder may be renamed while it runs."""

USER = "user"

MEMORY, DEVICES = "memory", "devices"
"""Names within a template's folder, beside its root disk."""

# A unix socket's path has at most 107 bytes (unix(7)); the longest name below is "server.sock:80".
_MAX_FOLDER_BYTES = 107 - len("/server.sock:80")

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
    style: str = ""  # how it was started last (`StartStyle` or "pool")
    card: str = ""  # its place in its event's network (networks.py); empty: it is on its own
    version: int = RECORD_VERSION


RUNNING_STAGES = frozenset({Stage.POWERED, Stage.LIVE, Stage.SEEDED})


@dataclass(frozen=True)
class Machine:
    """One machine: its folder, which is all that it is on disk. Making one touches nothing.

    When the hub is root, the folder is root's and so is every name in it; the machine's own user
    may pass through and open what is given to it, its disk above all.
    """

    path: Path

    @classmethod
    def below(cls, machines: Path, name: str) -> Machine:
        """Return the machine of this name.

        Raises:
            HostError: the path is too long for the unix sockets in it.
        """
        path = machines / name
        if len(str(path).encode()) > _MAX_FOLDER_BYTES:
            raise HostError(
                f"{path} is too long for unix sockets ({_MAX_FOLDER_BYTES} bytes at most)",
                hint="set VMLAB_STATE to a shorter path",
            )
        return cls(path)

    # -- what was done for it ---------------------------------------------------------------------

    def record(self) -> Record | None:
        """Return the checkpoint, or None when there is none.

        Raises:
            ProviderError: the file is damaged or was written by a newer VMLab.
        """
        try:
            fields = load_json(self.checkpoint.read_bytes())
            if fields["version"] == 1:
                fields["used"] = True  # of a VMLab that did not say
            record = as_facts(Record, {**fields, "stage": Stage(fields["stage"])})
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ProviderError(
                self.name,
                f"its record {self.checkpoint} cannot be read: {str(error)[:_SHOWN]}",
                hint="move the file away; disks and volume are found again by their names",
            ) from error
        if record.version > RECORD_VERSION:
            raise ProviderError(
                self.name,
                f"its record has version {record.version}, this VMLab knows {RECORD_VERSION}",
                hint="run the newer VMLab that wrote it",
            )
        return record

    def write(self, record: Record, **changes: object) -> Record:
        """Write the checkpoint with these changes; return it."""
        changed = replace(record, **changes)  # type: ignore[arg-type]
        table = asdict(changed)
        if not changed.card:  # a VMLab that knows no networks can read it
            del table["card"]
        write_atomic(self.checkpoint, json.dumps(table, indent=1).encode())
        return changed

    def is_running(self) -> bool:
        """Tell whether the machine's process runs: the kernel says so, whoever started it.

        Raises:
            OSError: its lock cannot be asked.
        """
        return is_locked(str(self.shim_lock))

    # -- what is in its folder ------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The machine's name."""
        return self.path.name

    @property
    def unit(self) -> str:
        """Name of the machine's scope or cgroup; unique on this host, not only in this lab."""
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()
        return f"vmlab-{self.path.name}-{digest[:8]}"

    @property
    def checkpoint(self) -> Path:
        """What was done so far; see `record`."""
        return self.path / "machine.json"

    @property
    def identity(self) -> Path:
        """Machine-id and SSH keys; the hub's alone."""
        return self.path / "identity.json"

    @property
    def access_key(self) -> Path:
        """Private key of the operator's way in; the hub's alone."""
        return self.path / "access_key"

    @property
    def root_disk(self) -> Path:
        """The trainee's root file system: an overlay over the image."""
        return self.path / ROOT_DISK

    @property
    def snapshot(self) -> Path:
        """A copy of the volume's snapshot that is shown in the machine."""
        return self.path / SNAPSHOT_DISK

    @property
    def user(self) -> Path:
        """Number of the user that the machine runs as (users.py)."""
        return self.path / USER

    @property
    def known_hosts(self) -> Path:
        """The machine's SSH host key, for `vmlab machine ssh`."""
        return self.path / "known_hosts"

    @property
    def shim_lock(self) -> Path:
        """Locked as long as the shim, and with it QEMU, lives."""
        return self.path / "shim.lock"

    @property
    def ended(self) -> Path:
        """There since somebody ended the machine; a start removes it first (ending.py)."""
        return self.path / "ended"

    @property
    def exit_report(self) -> Path:
        """How QEMU ended; empty as long as it runs, or when it was killed."""
        return self.path / "exit.json"

    @property
    def server_problem(self) -> Path:
        """Why the single-user server does not come up, in a line; absent while it does."""
        return self.path / "server-problem"

    @property
    def console(self) -> Path:
        """End of the serial console."""
        return self.path / "console.log"

    @property
    def qmp(self) -> Path:
        """QEMU's control socket."""
        return self.path / "qmp.sock"

    @property
    def agent(self) -> Path:
        """The host's end of the virtio-serial port."""
        return self.path / "agent.sock"

    @property
    def server(self) -> Path:
        """Socket of the single-user server."""
        return self.path / "server.sock"

    @property
    def server_for_proxy(self) -> Path:
        """The same socket under the name by which the proxy asks for it.

        JupyterHub 6.1.1 stores a port with every user's server (user.py, `spawn`) and appends it
        to the URL of a unix socket too; configurable-http-proxy 5.3 takes that for the path. To go
        when either of them no longer does.
        """
        return self.path / "server.sock:80"

    @property
    def ssh(self) -> Path:
        """Socket of sshd."""
        return self.path / "ssh.sock"

    @property
    def sockets(self) -> tuple[Path, ...]:
        """All sockets, for cleaning up."""
        return (self.qmp, self.agent, self.server, self.server_for_proxy, self.ssh)


@dataclass(frozen=True)
class TemplateFiles:
    """What a clone takes from a parked machine."""

    folder: Path

    @property
    def memory(self) -> Path:
        """The guest's memory."""
        return self.folder / MEMORY

    @property
    def devices(self) -> Path:
        """QEMU's device state."""
        return self.folder / DEVICES

    @property
    def root_disk(self) -> Path:
        """The root disk of that moment; clones' disks are overlays on it, for ever."""
        return self.folder / ROOT_DISK
