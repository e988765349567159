"""The machine's SSH host key, and who may log in: by public keys, and in no other way.

There is no password in the machine. Root's keys are the trainee's.

    /etc/ssh/authorized_keys.d/trainee       the operator's key, by the seed
    /etc/ssh/own_keys.d/{trainee,root}       the trainee's, by the seed and whenever they change
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from vmlab_guest.files import ensure_file
from vmlab_guest.kin import apply_kin
from vmlab_guest.system import TRAINEE, System, inside
from vmlab_protocol.messages import GuestMessageType
from vmlab_protocol.seed import Seed
from vmlab_protocol.seed_reader import parse_keys

SSH_UNIT = "ssh.service"
# The home comes from a volume that is mounted later and that the trainee may fill with anything;
# the keys of the seed therefore are outside it, owned by root.
SSHD_CONFIG = """\
# Written by the VMLab agent at each start.
HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile /etc/ssh/authorized_keys.d/%u /etc/ssh/own_keys.d/%u .ssh/authorized_keys
AuthenticationMethods publickey
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitEmptyPasswords no
PermitRootLogin prohibit-password
"""
_CERTIFICATE = "HostCertificate /etc/ssh/ssh_host_ed25519_key-cert.pub\n"


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
    config = SSHD_CONFIG
    if key.certificate:
        config += _CERTIFICATE
        certificate = folder / "ssh_host_ed25519_key-cert.pub"
        changed |= ensure_file(certificate, f"{key.certificate}\n")
    changed |= ensure_file(folder / "sshd_config.d/10-vmlab.conf", config)
    ensure_file(folder / "authorized_keys.d" / TRAINEE, _lines(seed.authorized_keys))
    _write_own(system, seed.own_keys)
    apply_kin(system, seed.kin)
    return changed


def change_keys(system: System, message: Mapping[str, Any]) -> dict[str, Any]:
    """Take the trainee's keys from the host's message, in place of those of before; answer.

    Raises:
        SeedError: these are not public keys.
        OSError: the file system refused.
    """
    _write_own(system, parse_keys(message.get("keys"), "keys"))
    return {"type": GuestMessageType.KEYED}


def _write_own(system: System, keys: Iterable[str]) -> None:
    for user in (TRAINEE, "root"):
        ensure_file(inside(system, "/etc/ssh/own_keys.d") / user, _lines(keys))


def _lines(keys: Iterable[str]) -> str:
    return "".join(f"{key}\n" for key in keys)
