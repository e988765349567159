"""Why a machine ended, by QEMU's word: its guest was rebooted, powered off, or its kernel panicked.

Standard library only: the shim listens, on a control connection of its own. An attacker who has
taken QEMU over may say what they like here; it decides about their own machine only.
"""

from __future__ import annotations

import asyncio
from typing import Final

from vmlab.model import EndCause
from vmlab_protocol.outside import load_json

CAPABILITIES: Final = b'{"execute":"qmp_capabilities"}\n'
"""What QEMU wants to hear before it tells of anything."""

# ref: QEMU QMP Reference Manual, SHUTDOWN and ShutdownCause; QEMU ends instead of a reset (argv.py)
_CAUSES: Final = {
    "guest-reset": EndCause.REBOOT,
    "guest-panic": EndCause.PANIC,
    "guest-shutdown": EndCause.POWEROFF,
}


def parse_event(line: bytes) -> EndCause | None:
    """Return why the machine ends, if this line of QEMU's says so."""
    try:
        event = load_json(line)
        kind, data = event["event"], event.get("data") or {}
        if kind == "GUEST_PANICKED":
            return EndCause.PANIC
        return _CAUSES.get(str(data.get("reason"))) if kind == "SHUTDOWN" else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


async def listen_for_end(reader: asyncio.StreamReader) -> EndCause | None:
    """Return what QEMU said of its machine's end, once it has ended; None: nothing.

    A panic comes before the shutdown that follows from it, and is the reason.
    """
    cause = None
    while True:
        try:
            line = await reader.readline()
        except ValueError:
            continue  # a line beyond the limit, which is dropped
        except OSError:
            return cause
        if not line:
            return cause
        if cause is not EndCause.PANIC:
            cause = parse_event(line) or cause
