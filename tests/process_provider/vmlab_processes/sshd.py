"""The machine's sshd: OpenSSH's own, a process for each connection, in a file system of its own.

The agent writes /etc/ssh below the machine's root, and the home and the key for the trainee's other
machines are there, too; in a mount namespace they are where sshd and ssh look for them. That, and
other users than one's own, need root: elsewhere, and where no sshd was unpacked (scripts/bootstrap
dev), the machine has none.
"""

from __future__ import annotations

import os
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

from vmlab_guest.system import inside
from vmlab_processes.process_system import ProcessSystem
from vmlab_protocol.machine import HOME

SSHD = "VMLAB_TEST_SSHD"
"""Path of sshd, in the environment of whoever starts the machines."""

UID = 65533
"""The trainee's in such a machine: nobody's on the host."""

_PASSWD = f"""\
root:x:0:0:root:/root:/bin/sh
sshd:x:65532:65532::/run/sshd:/usr/sbin/nologin
trainee:x:{UID}:{UID}::{HOME}:/bin/sh
"""
_CONFIG = """\
Include /etc/ssh/sshd_config.d/*.conf
UsePAM no
Subsystem sftp internal-sftp
AllowTcpForwarding yes
PidFile none
"""
_ENTER = """\
mount --make-rprivate / && mount --bind "$1/etc/ssh" /etc/ssh &&
mount --bind "$1/etc/passwd" /etc/passwd &&
mount -t tmpfs tmpfs /run && mkdir /run/sshd /run/vmlab &&
{ [ ! -d "$1/run/vmlab/kin" ] || cp -r "$1/run/vmlab/kin" /run/vmlab; } &&
{ [ ! -d /run/vmlab/kin ] || chown "$5" /run/vmlab/kin/trainee; } && chmod -R a+X /run/vmlab &&
mount -t tmpfs tmpfs /home && mkdir "$3" && mount --bind "$2" "$3" &&
exec "$4" -i -e
"""


def serve_ssh(system: ProcessSystem, folder: Path) -> None:
    """Answer whoever connects to the machine's socket, for as long as the process lives."""
    sshd = os.environ.get(SSHD, "")
    if not sshd or os.geteuid() != 0:
        return
    path = folder / "ssh.sock"
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()
    while True:
        client, _ = listening.accept()
        with client, suppress(OSError):
            _begin(system, client, sshd)


def _begin(system: ProcessSystem, client: socket.socket, sshd: str) -> None:
    root = system.root
    if not (root / "etc/ssh/sshd_config.d").is_dir():
        return  # not seeded yet: as a port at which nobody listens
    (root / "etc/passwd").write_text(_PASSWD)
    (root / "etc/ssh/sshd_config").write_text(_CONFIG)
    # A machine's own files are everybody's to read; this process makes its files for itself only.
    (root / "etc/passwd").chmod(0o644)
    (root / "etc/ssh/ssh_config").write_text("Include /etc/ssh/ssh_config.d/*.conf\n")
    (root / "etc/ssh/ssh_config").chmod(0o644)
    for folder in ("", "/own_keys.d", "/authorized_keys.d", "/ssh_config.d"):
        (root / f"etc/ssh{folder}").mkdir(exist_ok=True)
        (root / f"etc/ssh{folder}").chmod(0o755)
    home = inside(system, HOME).resolve()
    home.mkdir(parents=True, exist_ok=True)  # a node has no volume
    os.chown(home, UID, UID)
    words = ["unshare", "--mount", "sh", "-c", _ENTER, "sh", str(root), str(home), HOME, sshd]
    words.append(str(UID))
    with (root.parent / "sshd.log").open("ab") as log:
        subprocess.Popen(
            words,
            stdin=client.fileno(),
            stdout=client.fileno(),
            stderr=log,
            env={"PATH": os.environ["PATH"]},
        )
