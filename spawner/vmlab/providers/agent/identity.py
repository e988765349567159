"""What stays with a machine over all its starts: machine-id and SSH keys, made once."""

from __future__ import annotations

import json
import secrets
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from vmlab.errors import ProviderError
from vmlab.seed import Identity
from vmlab.system.outside import as_facts
from vmlab_protocol.atomic import write_atomic
from vmlab_protocol.outside import load_json


def keep_identity(name: str, identity: Path, access_key: Path) -> Identity:
    """Return the machine's identity, making it at first; files have mode 0600.

    Args:
        name: the machine's.
        identity: where it is kept.
        access_key: where the private key of the operator's way in is kept.

    Raises:
        ProviderError: the stored identity is damaged.
    """
    try:
        return as_facts(Identity, load_json(identity.read_bytes()))
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:
        raise ProviderError(
            name,
            f"its identity {identity} cannot be read: {error}",
            hint="delete the file: the machine gets new SSH keys at its next start",
        ) from error
    host_private, host_public = make_key_pair(name)
    access_private, access_public = make_key_pair(f"operator@{name}")
    made = Identity(
        machine_id=secrets.token_hex(16),
        ssh_host_key=host_private,
        ssh_host_public_key=host_public,
        access_public_key=access_public,
    )
    # The key file first: an identity on disk means that both are there.
    write_atomic(access_key, access_private.encode())
    write_atomic(identity, json.dumps(vars(made)).encode())
    return made


def make_key_pair(comment: str) -> tuple[str, str]:
    """Return a fresh ed25519 key: OpenSSH private text, and public line with this comment."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    ).decode()
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return private, f"{public.decode()} {comment}"
