"""Tells a file server's operator of a volume that is full, although everybody has a quota.

The quotas together are less than the volume; it can be full all the same where somebody wrote to it
in the server itself. Clients cannot see that: they are shown their own quota.
"""

from __future__ import annotations

from vmlab_guest.serving.serve import is_server
from vmlab_guest.system import System
from vmlab_protocol.share import ROOT

_FULL_SHARE = 100  # one in so many bytes is left
_MIB = 2**20


class ServerFullness:
    """Watches the volume of a file server; used by one thread."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._is_told = False

    def look(self) -> None:
        """Look how full the volume is, and tell what is new; a no-op in other machines.

        Raises:
            OSError: it cannot be asked; to be tried again.
        """
        if not is_server(self._system):
            return
        space = self._system.disk_space(ROOT)
        is_full = space.free_bytes < space.total_bytes // _FULL_SHARE
        if is_full and not self._is_told:
            self._system.announce(
                f"the volume at {ROOT} is full: {space.free_bytes // _MIB} MiB of "
                f"{space.total_bytes // _MIB} MiB left. Everybody's programs get 'No space left on "
                "device'. See what is outside of own, drop and shared, or make the volume larger"
            )
        elif self._is_told and not is_full:
            self._system.announce(f"the volume at {ROOT} has room again")
        self._is_told = is_full
