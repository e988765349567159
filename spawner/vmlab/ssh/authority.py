"""Host certificates: the hub says which machine a host key belongs to.

Whoever knows the hub's authority recognizes all machines, also those that are renewed later: no
list of host keys has to be brought to anybody again. A certificate is for the machine's unique name
and no other, so another trainee's `desk` does not pass for one's own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    SSHCertificateBuilder,
    SSHCertificateType,
    load_ssh_private_key,
    load_ssh_public_key,
)

from vmlab.errors import HostError
from vmlab.ssh.host_key import AUTHORITY, ensure_keys, read_private_key, read_public_key_of

_FOREVER: Final = 2**64 - 1
"""As long as the machine has its key: one that is renewed has another key."""


class HostAuthority:
    """Signs the host keys of machines.

    Args:
        folder: of the hub's keys (`Paths.ssh`); what is missing is made.

    Raises:
        HostError: its key cannot be read or made.
    """

    def __init__(self, folder: Path) -> None:
        ensure_keys(folder)
        self.public = read_public_key_of(folder, AUTHORITY)
        self._key = _load(folder)

    def certify(self, host_key: str, machine: str) -> str:
        """Return the certificate that this public key is the machine's, as a line without comment.

        Raises:
            ValueError: it is not an ed25519 key, as machines have.
        """
        public = load_ssh_public_key(host_key.encode())
        if not isinstance(public, Ed25519PublicKey):
            raise ValueError(f"{machine}: its host key is not of type ed25519")
        builder = (
            SSHCertificateBuilder()
            .public_key(public)
            .serial(0)
            .type(SSHCertificateType.HOST)
            .key_id(machine.encode())
            .valid_principals([machine.encode()])
            .valid_after(0)
            .valid_before(_FOREVER)
        )
        return builder.sign(self._key).public_bytes().decode()


def _load(folder: Path) -> Ed25519PrivateKey:
    try:
        key = load_ssh_private_key(read_private_key(folder, AUTHORITY), None)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise HostError(
            f"{folder / AUTHORITY} is damaged: {error}",
            hint="restore it from the backup; or delete it and restart the hub: machines that are "
            "started from then on have another one, and trainees paste the second line again",
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise HostError(f"{folder / AUTHORITY} is not a key of type ed25519")
    return key
