"""The jump host's own key: made once, and the same for as long as the state folder lasts."""

from __future__ import annotations

from pathlib import Path

from vmlab.errors import HostError
from vmlab.providers.agent.identity import make_key_pair
from vmlab_protocol.atomic import write_atomic


def ensure_host_key(folder: Path) -> None:
    """Make the key unless it is there: `host_key` (0600) and `host_key.pub` in this folder.

    Raises:
        HostError: it cannot be written.
    """
    private, public = folder / "host_key", folder / "host_key.pub"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        folder.chmod(0o700)
        if private.exists() and public.exists():
            return
        secret, shown = make_key_pair("vmlab-hub")
        # The public half first: a private one on disk means that both are there.
        write_atomic(public, f"{shown}\n".encode())
        write_atomic(private, secret.encode())
    except OSError as error:
        raise HostError(
            f"the key of the jump host cannot be made in {folder}: {error}",
            hint="check free space and who owns the state folder",
        ) from error


def read_public_key_of(folder: Path) -> str:
    """Return the public half, without its comment.

    Raises:
        HostError: it cannot be read.
    """
    try:
        return " ".join((folder / "host_key.pub").read_text(encoding="ascii").split()[:2])
    except (OSError, ValueError) as error:
        raise HostError(f"the key of the jump host cannot be read: {error}") from error
