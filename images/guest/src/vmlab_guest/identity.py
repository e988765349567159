"""Randomness, clock, machine-id and host name: what clones of one image share by mistake."""

from __future__ import annotations

from vmlab_guest.files import ensure_file
from vmlab_guest.seed import Seed
from vmlab_guest.system import System, inside

_CLOCK_TOLERANCE_NS = 100_000_000


def apply_identity(system: System, seed: Seed, received_ns: int) -> None:
    """Make the machine itself, in the order in which later steps rely on earlier ones.

    Args:
        received_ns: `System.monotonic_ns` when the seed arrived; its time was right then.

    Raises:
        ApplyError: a program failed.
        OSError: the kernel or the file system refused.
    """
    system.add_randomness(seed.randomness)
    now_ns = seed.time_ns + system.monotonic_ns() - received_ns
    if abs(system.clock_ns() - now_ns) > _CLOCK_TOLERANCE_NS:
        system.set_clock_ns(now_ns)
    _apply_machine_id(system, seed.machine_id)
    _apply_host_name(system, seed.host_name)


def make_hosts(text: str, host_name: str) -> str:
    """Return /etc/hosts with the machine's own name on 127.0.1.1, as Debian has it."""
    kept = [line for line in text.splitlines() if line.split()[:1] != ["127.0.1.1"]]
    if not any(line.split()[:1] == ["127.0.0.1"] for line in kept):
        kept.insert(0, "127.0.0.1\tlocalhost")
    return "\n".join([*kept, f"127.0.1.1\t{host_name}"]) + "\n"


def _apply_machine_id(system: System, machine_id: str) -> None:
    path = inside(system, "/etc/machine-id")
    if path.exists() and path.read_text(encoding="utf-8").strip() == machine_id:
        return
    # A boot with a read-only root puts a transient id on top of the file.
    mounts = inside(system, "/proc/self/mountinfo").read_text(encoding="utf-8")
    if any(line.split()[4] == "/etc/machine-id" for line in mounts.splitlines()):
        system.run("umount", "/etc/machine-id")
    ensure_file(path, f"{machine_id}\n", 0o444)
    # The journal lies in a folder of the old id until journald starts anew; its clients keep
    # their connection (systemd stores the descriptors).
    system.run("systemctl", "restart", "--no-block", "systemd-journald.service")


def _apply_host_name(system: System, host_name: str) -> None:
    ensure_file(inside(system, "/etc/hostname"), f"{host_name}\n")
    hosts = inside(system, "/etc/hosts")
    text = hosts.read_text(encoding="utf-8") if hosts.exists() else ""
    ensure_file(hosts, make_hosts(text, host_name))
    system.set_host_name(host_name)
