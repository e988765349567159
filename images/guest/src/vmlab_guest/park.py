"""Getting a machine ready to be cloned: everything loaded, no identity."""

from __future__ import annotations

import importlib

from vmlab_guest.errors import ApplyError
from vmlab_guest.identity import mark_parked, uncover_machine_id
from vmlab_guest.server import UNIT
from vmlab_guest.server_request import CONTROL, Word
from vmlab_guest.system import System, inside
from vmlab_guest.udev import hold_events, release_events

_BOOT_S = 900.0  # software emulation
_POLL_S = 0.5
_ZYGOTE_S = 120.0
_DRY_RUN_S = 900.0
# Drivers of what is plugged into a clone. Without them udev would load them while somebody waits.
_DRIVERS = ("virtio_net", "virtio_blk")
# What a seed needs of the agent beyond its first word.
_MODULES = (
    "encodings.idna",
    "vmlab_guest.courses.as_trainee",
    "vmlab_guest.courses.follow",
    "vmlab_guest.hub",
    "vmlab_guest.libc",
    "vmlab_guest.rtnetlink",
)


def park(system: System) -> None:
    """Load everything, forget what clones must not share, and flush.

    Raises:
        AgentError, OSError: something failed; the machine can be used but should not be cloned.
    """
    # Whatever the boot has still to do would be done by every clone.
    if system.wait_for(lambda: _is_booted(system) or None, _BOOT_S, _POLL_S) is None:
        raise ApplyError(f"the boot was not over within {_BOOT_S:g} s")
    control = inside(system, str(CONTROL))
    has_zygote = not _is_without_zygote(system)
    if has_zygote and system.wait_for(lambda: control.exists() or None, _ZYGOTE_S) is None:
        raise ApplyError(f"no zygote within {_ZYGOTE_S:g} s")
    system.run("modprobe", "--all", *_DRIVERS)
    hold_events(system)
    try:
        for name in _MODULES:
            importlib.import_module(name)
        if has_zygote:
            warm(system)
        inside(system, "/var/lib/systemd/random-seed").unlink(missing_ok=True)
        uncover_machine_id(system)
        mark_parked(system)
    except BaseException:
        release_events(system)
        raise
    system.sync()


def _is_booted(system: System) -> bool:
    # Its own option `--wait` does not wait while there is no message bus yet.
    state = system.run("systemctl", "is-system-running", ok=range(256)).strip()
    return state in {"running", "degraded"}  # degraded: some unit failed


def _is_without_zygote(system: System) -> bool:
    """Tell whether this image serves no notebooks: a file server's, for instance."""
    state = system.run("systemctl", "is-enabled", UNIT, ok=range(256))
    return state.strip() == "disabled"


def warm(system: System) -> None:
    """Have the zygote make a dry run of the server.

    Raises:
        ApplyError: it failed.
    """
    system.ask_zygote(Word.DRY_RUN, _DRY_RUN_S)
