"""What the hub says to the jump host's process when it starts it.

Apart from `service`, so that the hub does not load what only that process needs.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from typing import Final

NAME: Final = "vmlab-ssh"
"""Of the hub's service."""


@dataclass(frozen=True)
class ServiceSettings:
    """What the process must know; no secret, as others read its command line."""

    lab: str  # path of lab.toml
    state: str
    cache: str
    hub_url: str  # where the hub itself listens
    parent: int  # pid of the hub: the process ends with it

    def command(self) -> list[str]:
        """Return the command that runs the process."""
        return [sys.executable, "-m", "vmlab.ssh.service", json.dumps(asdict(self))]
