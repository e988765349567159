"""SSH public keys that people give us."""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from vmlab import sayings
from vmlab.errors import ConfigError

_MOST_CHARS = 4096


def check_public_key(text: object) -> str:
    """Return the key as one clean line without options and without comment.

    Raises:
        ConfigError: it is not one OpenSSH public key.
    """
    if not isinstance(text, str) or len(text) > _MOST_CHARS:
        raise _refusal("the SSH public key is not a short text")
    try:
        key = serialization.load_ssh_public_key(text.strip().encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _refusal(f"not an SSH public key: {error}") from error
    line = key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return line.decode()


def _refusal(message: str) -> ConfigError:
    hint = "paste one line such as: ssh-ed25519 AAAA... you@laptop"
    return ConfigError(message, hint=hint, public=sayings.BAD_SSH_KEY)
