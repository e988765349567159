"""Randomness, clock, machine-id and host name: what clones of one image must not share."""

from __future__ import annotations

from pathlib import Path

from vmlab_guest.files import ensure_file
from vmlab_guest.system import RUN, System, inside
from vmlab_protocol.seed import EventNetwork, Seed

JOURNAL_UNIT = "systemd-journald.service"
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_FRESH_ID = "/proc/sys/kernel/random/uuid"  # another one at each reading
_EVENT_MARK = "# in the event's network"
_CLOCK_TOLERANCE_NS = 100_000_000


def apply_identity(system: System, seed: Seed, received_ns: int) -> bool:
    """Make the machine itself, in the order in which later steps rely on earlier ones.

    Args:
        received_ns: `System.monotonic_ns` when the seed arrived; its time was right then.

    Returns:
        Whether journald must be restarted, because it is in a folder of the old machine-id.

    Raises:
        OSError: the kernel or the file system refused.
    """
    system.add_randomness(seed.randomness)
    _reseed_python()
    now_ns = seed.time_ns + system.monotonic_ns() - received_ns
    if abs(system.clock_ns() - now_ns) > _CLOCK_TOLERANCE_NS:
        system.set_clock_ns(now_ns)
    if is_parked(system):
        _renew_boot_id(system)
    changed = _apply_machine_id(system, seed.machine_id)
    _apply_host_name(system, seed)
    _parked_mark(system).unlink(missing_ok=True)
    return changed


def _reseed_python() -> None:
    """Reseed what spreads retries: a clone brought the state of its template along."""
    import random  # noqa: PLC0415 - not before the agent's first word

    random.seed()


def is_parked(system: System) -> bool:
    """Return whether this machine was made ready to be cloned and nobody's seed came since."""
    return _parked_mark(system).exists()


def mark_parked(system: System) -> None:
    """Note that the next seed is a clone's."""
    ensure_file(_parked_mark(system), "")


def _parked_mark(system: System) -> Path:
    return system.root / RUN / "parked"


def _renew_boot_id(system: System) -> None:
    """Lay a boot id of this machine's own over the one that all clones share."""
    own = system.root / RUN / "boot_id"
    ensure_file(own, inside(system, _FRESH_ID).read_text(encoding="ascii"), 0o444)
    system.bind(own, inside(system, _BOOT_ID))


def make_hosts(text: str, host_name: str, event: EventNetwork | None = None) -> str:
    """Return /etc/hosts with the machine's own name on 127.0.1.1, as Debian has it.

    In an event its names lead to its address there, in itself as in the other machines: programs
    look their own name up and tell others what they find.
    """
    kept = [
        line
        for line in text.splitlines()
        if line.split()[:1] != ["127.0.1.1"] and not line.endswith(_EVENT_MARK)
    ]
    if not any(line.split()[:1] == ["127.0.0.1"] for line in kept):
        kept.insert(0, "127.0.0.1\tlocalhost")
    own = f"127.0.1.1\t{host_name}"
    if event:
        own = f"{event.address.ip}\t{' '.join(event.names)}\t{_EVENT_MARK}"
    return "\n".join([*kept, own]) + "\n"


def _apply_machine_id(system: System, machine_id: str) -> bool:
    """Write the machine-id; return whether it is another one."""
    path = inside(system, "/etc/machine-id")
    if path.exists() and path.read_text(encoding="utf-8").strip() == machine_id:
        return False
    uncover_machine_id(system)
    return ensure_file(path, f"{machine_id}\n", 0o444)


def uncover_machine_id(system: System) -> None:
    """Take away the transient id that a boot with a read-only root puts on top of the file."""
    mounts = inside(system, "/proc/self/mountinfo").read_text(encoding="utf-8")
    if any(line.split()[4] == "/etc/machine-id" for line in mounts.splitlines()):
        system.unmount(inside(system, "/etc/machine-id"))


def _apply_host_name(system: System, seed: Seed) -> None:
    ensure_file(inside(system, "/etc/hostname"), f"{seed.host_name}\n")
    hosts = inside(system, "/etc/hosts")
    text = hosts.read_text(encoding="utf-8") if hosts.exists() else ""
    ensure_file(hosts, make_hosts(text, seed.host_name, seed.event))
    system.set_host_name(seed.host_name)
