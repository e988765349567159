"""Public keys as people paste them: checked, and made one line of sshd's. Pure.

What is kept has no options in front of it: those would say what a key's owner may do.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_public_key

from vmlab_protocol.notices import Notice

MAX_KEY_CHARS: Final = 8000
MIN_RSA_BITS: Final = 2048
MAX_RSA_BITS: Final = 16384

_MAX_COMMENT_CHARS: Final = 80
_PLAIN: Final = frozenset(
    {
        "ssh-ed25519",
        "ssh-rsa",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
    }
)
_OF_A_TOKEN: Final = {  # how many strings follow the type; a security key holds the private half
    "sk-ssh-ed25519@openssh.com": 2,
    "sk-ecdsa-sha2-nistp256@openssh.com": 3,
}

_PRIVATE = Notice(
    "This is a private key: it must never leave your computer. Paste the public one, from the file "
    "that ends in .pub. If you pasted this one anywhere else, make a new pair.",
    "C'est une clé privée : elle ne doit jamais quitter votre ordinateur. Collez la clé publique, "
    "du fichier en .pub. Si vous avez collé celle-ci ailleurs, créez une nouvelle paire.",
)
_SEVERAL = Notice(
    "These are several lines. Paste one key at a time.",
    "Il y a plusieurs lignes. Collez une clé à la fois.",
)
_UNKNOWN = Notice(
    "This is not a public key of OpenSSH. It is one line that begins with ssh-ed25519, ssh-rsa, "
    "ecdsa-sha2- or sk-, in the file that ends in .pub.",
    "Ce n'est pas une clé publique d'OpenSSH. C'est une ligne qui commence par ssh-ed25519, "
    "ssh-rsa, ecdsa-sha2- ou sk-, dans le fichier en .pub.",
)
_DAMAGED = Notice(
    "This key is damaged, perhaps cut off. Copy the whole line of the .pub file.",
    "Cette clé est endommagée, peut-être incomplète. Copiez toute la ligne du fichier .pub.",
)
_WEAK = Notice(
    f"This RSA key is too short: {MIN_RSA_BITS} bits at least. Better make a new pair with "
    "ssh-keygen -t ed25519",
    f"Cette clé RSA est trop courte : {MIN_RSA_BITS} bits au moins. Créez plutôt une nouvelle "
    "paire avec ssh-keygen -t ed25519",
)


class KeyRefusedError(Exception):
    """What was pasted cannot be used; says why to whoever pasted it."""

    def __init__(self, public: Notice) -> None:
        super().__init__(public.en)
        self.public = public


@dataclass(frozen=True)
class PublicKey:
    """A public key that can be used."""

    kind: str  # such as "ssh-ed25519"
    data: str  # in base64
    comment: str  # printable, shortened

    @property
    def line(self) -> str:
        """The line of authorized_keys."""
        return f"{self.kind} {self.data} {self.comment}".rstrip()

    @property
    def fingerprint(self) -> str:
        """What `ssh-keygen -l` prints of it."""
        digest = hashlib.sha256(base64.b64decode(self.data)).digest()
        return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def read_public_key(text: str) -> PublicKey:
    """Return the key in what somebody pasted.

    Raises:
        KeyRefusedError: it is not one public key.
    """
    if "PRIVATE KEY" in text:
        raise KeyRefusedError(_PRIVATE)
    text = text.strip()
    if len(text.splitlines()) > 1:
        raise KeyRefusedError(_SEVERAL)
    kind, _, rest = text.partition(" ")
    data, _, comment = rest.strip().partition(" ")
    if kind not in _PLAIN and kind not in _OF_A_TOKEN:
        raise KeyRefusedError(_UNKNOWN)
    _check(kind, data)
    printable = "".join(char for char in comment if char.isprintable())
    return PublicKey(kind, data, printable.strip()[:_MAX_COMMENT_CHARS].strip())


def _check(kind: str, data: str) -> None:
    try:
        raw = base64.b64decode(data, validate=True) if len(data) <= MAX_KEY_CHARS else b""
        # Only one way to write a key: else one could be registered twice.
        if base64.b64encode(raw).decode() != data:
            raise KeyRefusedError(_DAMAGED)
        parts = _split(raw)
        if not parts or parts[0] != kind.encode():
            raise KeyRefusedError(_DAMAGED)
        if kind in _OF_A_TOKEN:
            if len(parts) != _OF_A_TOKEN[kind] + 1 or not all(parts):
                raise KeyRefusedError(_DAMAGED)
            return
        key = load_ssh_public_key(f"{kind} {data}".encode())
    except (binascii.Error, ValueError, UnsupportedAlgorithm, struct.error) as error:
        raise KeyRefusedError(_DAMAGED) from error
    if isinstance(key, RSAPublicKey) and not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
        raise KeyRefusedError(_WEAK)


def _split(raw: bytes) -> list[bytes]:
    """Return the strings of which a key consists (RFC 4251, section 5).

    Raises:
        ValueError: it does not consist of strings.
    """
    parts, at = [], 0
    while at < len(raw):
        (size,) = struct.unpack_from("!I", raw, at)
        at += 4
        if at + size > len(raw):
            raise ValueError("cut off")
        parts.append(raw[at : at + size])
        at += size
    return parts
