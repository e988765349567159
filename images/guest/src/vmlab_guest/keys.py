"""The machine's SSH host key, and who may log in."""

from __future__ import annotations

from vmlab_guest.files import ensure_file
from vmlab_guest.system import TRAINEE, System, inside
from vmlab_protocol.seed import Seed

SSH_UNIT = "ssh.service"
# The home comes from a volume that is mounted later and that the trainee may fill with anything;
# the keys of the seed therefore are outside it, owned by root.
SSHD_CONFIG = """\
# Written by the VMLab agent at each start.
HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile /etc/ssh/authorized_keys.d/%u .ssh/authorized_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin no
"""


def apply_keys(system: System, seed: Seed) -> bool:
    """Install the keys.

    Returns:
        Whether a running sshd must be started again: it reads host key and configuration only when
        it starts, authorized keys at each login.

    Raises:
        OSError: the file system refused.
    """
    key = seed.ssh_host_key
    folder = inside(system, "/etc/ssh")
    private = key.private if key.private.endswith("\n") else f"{key.private}\n"
    changed = ensure_file(folder / "ssh_host_ed25519_key", private, 0o600)
    ensure_file(folder / "ssh_host_ed25519_key.pub", f"{key.public}\n")
    changed |= ensure_file(folder / "sshd_config.d/10-vmlab.conf", SSHD_CONFIG)
    text = "".join(f"{line}\n" for line in seed.authorized_keys)
    ensure_file(folder / "authorized_keys.d" / TRAINEE, text)
    return changed
