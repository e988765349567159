"""How many file descriptors hub and proxy need, and whether they have them.

Every connection of a machine costs some of the hub's. A machine's shim lets a fixed number
through, and all machines together get a part of what the hub has (`vmlab.network.limits`).
`vmlab.network.accepting` handles the case that none is left.
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Final

from vmlab.network.relay import MAX_OUTWARD

SERVICE_LIMIT: Final = 524_288
"""The limit that systemd lets a service raise itself to; it starts with 1024."""

_OWN: Final = 256
"""Of a hub without machines: a few dozen, and the browsers of people who look at its pages."""

_PER_MACHINE: Final = 4 * MAX_OUTWARD + 48
"""Of the hub for a machine that opens all connections to both listeners: one for each at the
hub's; at the proxy's two to pass it on, and one when the proxy asks the hub for it. The rest is for
its control, its agent, its browser and what the hub opens to answer so many."""


def descriptors_for(machines: int, others: int = 0) -> int:
    """Return how many the hub needs when so many machines attack it at once.

    Args:
        machines: of the lab.
        others: what comes from outside may take of them, where the lab has SSH.
    """
    return _OWN + machines * _PER_MACHINE + others


def read_limit(pid: int) -> int:
    """Return the hard limit of a process; raises OSError when it is gone."""
    for line in Path(f"/proc/{pid}/limits").read_text().splitlines():
        if line.startswith("Max open files"):
            return int(line.split()[4])
    raise OSError(errno.ENODATA, f"/proc/{pid}/limits does not name the limit of open files")
