"""Keys of the hub's own: made once, and the same for as long as the state folder lasts.

`host_key` is the jump host's; `host_authority` signs the host keys of all machines (`authority`).
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Final

from vmlab.errors import HostError
from vmlab.providers.agent.identity import make_key_pair
from vmlab_protocol.atomic import write_atomic

HOST_KEY: Final = "host_key"
AUTHORITY: Final = "host_authority"
_making = threading.Lock()
"""Machines that start at the same time ask in threads of their own."""

_COMMENTS: Final = {HOST_KEY: "vmlab-hub", AUTHORITY: "vmlab-machines"}


def ensure_keys(folder: Path) -> None:
    """Make each key unless it is there: `NAME` (0600) and `NAME.pub` in this folder.

    Raises:
        HostError: it cannot be written.
    """
    try:
        with _making:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
            for name, comment in _COMMENTS.items():
                _ensure_key(folder / name, comment)
    except OSError as error:
        raise HostError(
            f"the keys of the hub for SSH cannot be made in {folder}: {error}",
            hint="check free space and who owns the state folder",
        ) from error


def _ensure_key(private: Path, comment: str) -> None:
    public = private.with_name(f"{private.name}.pub")
    if private.exists() and public.exists():
        return
    secret, shown = make_key_pair(comment)
    # The public half first: a private one on disk means that both are there.
    write_atomic(public, f"{shown}\n".encode())
    write_atomic(private, secret.encode())


def read_public_key_of(folder: Path, name: str = HOST_KEY) -> str:
    """Return the public half, without its comment.

    Raises:
        HostError: it cannot be read.
    """
    try:
        return " ".join((folder / f"{name}.pub").read_text(encoding="ascii").split()[:2])
    except (OSError, ValueError) as error:
        raise HostError(f"the key {name} of the hub cannot be read: {error}") from error


def read_private_key(folder: Path, name: str) -> bytes:
    """Return the private half.

    Raises:
        HostError: it cannot be read.
    """
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise HostError(f"the key {name} of the hub cannot be read: {error}") from error
