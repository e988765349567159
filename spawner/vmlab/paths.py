"""Where VMLab keeps things on the host (docs/protocols.md, section 5)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Paths:
    """The two roots; everything else hangs below them."""

    state: Path
    cache: Path

    @property
    def machines(self) -> Path:
        """One folder a machine."""
        return self.state / "machines"

    @property
    def volumes(self) -> Path:
        """One file a volume."""
        return self.state / "volumes"

    @property
    def images(self) -> Path:
        """The image store."""
        return self.cache / "images"

    @property
    def templates(self) -> Path:
        """Parked machines to clone, one folder each."""
        return self.cache / "templates"

    @property
    def networks(self) -> Path:
        """One folder for the network of each event."""
        return self.state / "networks"

    @property
    def pool(self) -> Path:
        """Machines kept ready, one folder each."""
        return self.state / "pool"

    @property
    def pool_failed(self) -> Path:
        """The last few machines that did not get ready for the pool, for diagnosis."""
        return self.state / "pool-failed"

    @property
    def aside(self) -> Path:
        """The last few machines that were replaced, stopped, for diagnosis."""
        return self.state / "aside"

    @property
    def courses(self) -> Path:
        """Archives of published courses."""
        return self.state / "courses"

    @property
    def accounts(self) -> Path:
        """Passwords; mode 0600."""
        return self.state / "accounts.toml"

    @property
    def hub_log(self) -> Path:
        """What hub and proxy write; an older part is beside it."""
        return self.state / "hub.log"

    @property
    def proxy_listener(self) -> Path:
        """The proxy's unix socket for machines, whose forwarding headers are not trusted."""
        return self.state / "proxy.sock"

    @property
    def database(self) -> Path:
        """VMLab's own database (SQLite)."""
        return self.state / "vmlab.sqlite"

    @property
    def hub_database(self) -> Path:
        """JupyterHub's (SQLite)."""
        return self.state / "jupyterhub.sqlite"


def default_paths() -> Paths:
    """Return the folders for this user, as overridden by VMLAB_STATE and VMLAB_CACHE."""
    if os.geteuid() == 0:
        state, cache = Path("/var/lib/vmlab"), Path("/var/cache/vmlab")
    else:
        state = Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser() / "vmlab"
        cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "vmlab"
    return Paths(
        state=Path(os.environ.get("VMLAB_STATE") or state).absolute(),
        cache=Path(os.environ.get("VMLAB_CACHE") or cache).absolute(),
    )
