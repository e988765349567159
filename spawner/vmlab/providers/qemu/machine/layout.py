"""Which file lies where in a machine's folder."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from vmlab.errors import HostError

ROOT_DISK, SNAPSHOT_DISK = "root.qcow2", "snapshot.qcow2"
"""Names within the folder: QEMU runs there, so that a folder may be renamed while it runs."""

USER = "user"

# A unix socket's path has at most 107 bytes (unix(7)); the longest name below is "server.sock:80".
_MAX_FOLDER_BYTES = 107 - len("/server.sock:80")


@dataclass(frozen=True)
class MachineFolder:
    """Paths of one machine.

    When the hub is root, the folder is root's and so is every name in it; the machine's own user
    may pass through and open what is given to it, its disk above all.
    """

    path: Path

    @property
    def unit(self) -> str:
        """Name of the machine's scope or cgroup; unique on this host, not only in this lab."""
        digest = hashlib.sha256(os.fsencode(self.path)).hexdigest()
        return f"vmlab-{self.path.name}-{digest[:8]}"

    @property
    def record(self) -> Path:
        """Checkpoint: what was done so far."""
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
        """Door to the single-user server."""
        return self.path / "server.sock"

    @property
    def server_for_proxy(self) -> Path:
        """The same door under the name by which the proxy asks for it.

        JupyterHub 6.1.1 stores a port with every user's server (user.py, `spawn`) and appends it
        to the URL of a unix socket too; configurable-http-proxy 5.3 takes that for the path. To go
        when either of them no longer does.
        """
        return self.path / "server.sock:80"

    @property
    def ssh(self) -> Path:
        """Door to sshd."""
        return self.path / "ssh.sock"

    @property
    def sockets(self) -> tuple[Path, ...]:
        """All sockets, for cleaning up."""
        return (self.qmp, self.agent, self.server, self.server_for_proxy, self.ssh)


def machine_folder(machines: Path, name: str) -> MachineFolder:
    """Return the folder of a machine.

    Raises:
        HostError: the path is too long for the unix sockets in it.
    """
    path = machines / name
    if len(str(path).encode()) > _MAX_FOLDER_BYTES:
        raise HostError(
            f"{path} is too long for unix sockets ({_MAX_FOLDER_BYTES} bytes at most)",
            hint="set VMLAB_STATE to a shorter path",
        )
    return MachineFolder(path)
