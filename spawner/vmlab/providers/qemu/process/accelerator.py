"""KVM or software emulation, answered by trying.

`/dev/kvm` that opens proves nothing: on some nested hosts a guest then aborts or prints nothing for
ever. So a 512-byte guest must run with exactly the CPU model that machines get, and say so through
a debug port, within seconds. The same guest under software emulation proves that QEMU itself works.
The verdict is kept for as long as what decided it stays the same; it also decides how long a
machine may take.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import platform
import re
import shutil
import tempfile
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from vmlab import messages
from vmlab.errors import HostError
from vmlab.system.environment import tool_environment
from vmlab_protocol.atomic import write_atomic
from vmlab_protocol.outside import load_json

KVM = Path("/dev/kvm")
_QEMU = "qemu-system-x86_64"
_PROBE_LIMIT_S = 10.0  # on a busy host; the verdict stays

# Real-mode code: mov dx,0xf4; mov al,0x31; out dx,al; hlt; jmp $-1
_PROBE_CODE = bytes([0xBA, 0xF4, 0x00, 0xB0, 0x31, 0xEE, 0xF4, 0xEB, 0xFD])
_PROBE_EXIT = (0x31 << 1) | 1  # what isa-debug-exit makes of 0x31
_SECTOR_BYTES = 512


class Accelerator(StrEnum):
    """How guest code is run."""

    KVM = "kvm"
    TCG = "tcg"


@dataclass(frozen=True)
class Verdict:
    """Which accelerator is used, and why."""

    name: Accelerator
    reason: str


def make_probe_sector() -> bytes:
    """Return the boot sector of the probing guest."""
    return _PROBE_CODE.ljust(_SECTOR_BYTES - 2, b"\0") + b"\x55\xaa"


async def choose_accelerator(preference: str, cache: Path) -> Verdict:
    """Return the accelerator for this host; asks the host only once per boot.

    Args:
        preference: "auto", "kvm" or "tcg".
        cache: folder for the verdict.

    Raises:
        HostError: QEMU is missing or cannot run a guest at all, or KVM was demanded and fails.
    """
    if preference == "tcg":
        return Verdict(Accelerator.TCG, "software emulation, because lab.toml asks for it")
    verdict = await _cached_verdict(cache)
    if preference == "kvm" and verdict.name is not Accelerator.KVM:
        raise HostError(
            f"lab.toml demands KVM, which does not work here: {verdict.reason}",
            hint='set [provider.qemu] accelerator = "auto", or enable (nested) virtualisation',
        )
    return verdict


async def _cached_verdict(cache: Path) -> Verdict:
    key = {
        "boot_id": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        "qemu": await qemu_version(),
        "uid": os.geteuid(),
        "kvm": describe_device(KVM),
    }
    stamp = cache / "accelerator.json"
    try:
        stored = load_json(stamp.read_bytes())
        if stored["key"] == key:
            return Verdict(Accelerator(stored["name"]), str(stored["reason"]))
    except (OSError, ValueError, KeyError, TypeError):
        pass  # no verdict, or not a readable one: probe again
    verdict = await _probe_host()
    cache.mkdir(parents=True, exist_ok=True)
    write_atomic(stamp, json.dumps({"key": key, **asdict(verdict)}).encode())
    return verdict


def describe_device(device: Path) -> str:
    """Return what decides whether this process may open a device; changes when that changes.

    That is who it belongs to, what those may, and of which of them this process is: somebody who
    joined the group `kvm`, or was given the device, is asked about again.
    """
    try:
        facts = device.stat()
    except OSError as error:
        return error.strerror or "absent"
    may_open = os.access(device, os.R_OK | os.W_OK)
    kind = f"{facts.st_mode:o} {facts.st_uid}:{facts.st_gid} {facts.st_rdev:x}"
    return f"{kind} {'open' if may_open else 'closed'}"


def mark_engine() -> str:
    """Return what changes with this host's QEMU or processor, or when KVM may be used or not."""
    program = shutil.which(_QEMU)
    if program is None:
        return ""
    facts = os.stat(program)  # noqa: PTH116 - a program, not a path of ours
    device = describe_device(KVM)
    return f"{program} {facts.st_ino} {facts.st_mtime_ns} {device} {read_processor()}"


def read_processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """Return the host processor's model and a digest of its features."""
    text = cpuinfo.read_text(errors="replace")
    fields = dict(re.findall(r"^(model name|flags|microcode)\s*:\s*(.*)$", text, re.MULTILINE))
    flags = hashlib.sha256(fields.get("flags", "").encode()).hexdigest()[:8]
    return f"{fields.get('model name', platform.machine())} {flags}"


async def qemu_version() -> str:
    """Return the first line of QEMU's own version.

    Raises:
        HostError: there is no QEMU.
    """
    if shutil.which(_QEMU) is None:
        raise HostError(
            "qemu-system-x86_64 is not installed",
            hint="apt-get install qemu-system-x86 qemu-utils",
            public=messages.NO_ENGINE,
        )
    process = await asyncio.create_subprocess_exec(
        "qemu-system-x86_64",
        "--version",
        env=tool_environment(),
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    return output.decode(errors="replace").splitlines()[0]


async def _probe_host() -> Verdict:
    problem = await _kvm_problem()
    if not problem:
        return Verdict(Accelerator.KVM, "KVM: a probing guest ran with it")
    failure = await _run_probe("tcg", "max", limit_s=20)
    if failure:
        raise HostError(
            f"QEMU cannot run a guest, not even by software emulation: {failure}",
            hint="try: qemu-system-x86_64 -accel tcg -nodefaults -display none",
        )
    return Verdict(Accelerator.TCG, f"software emulation, because {problem}")


async def _kvm_problem() -> str:
    """Return why KVM cannot be used, or an empty string."""
    if not KVM.exists():
        return "there is no /dev/kvm"
    if not os.access(KVM, os.R_OK | os.W_OK):
        return "/dev/kvm may not be opened by this user (group kvm)"
    failure = await _run_probe("kvm", "host", limit_s=_PROBE_LIMIT_S)
    return f"a probing guest under KVM failed: {failure}" if failure else ""


async def _run_probe(accelerator: str, cpu: str, *, limit_s: float) -> str:
    """Run the probing guest; return what went wrong, or an empty string."""
    with tempfile.NamedTemporaryFile(prefix="vmlab-probe-") as sector:
        sector.write(make_probe_sector())
        sector.flush()
        # fmt: off
        process = await asyncio.create_subprocess_exec(
            "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none",
            "-no-reboot", "-m", "32", "-accel", accelerator, "-cpu", cpu,
            "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
            "-drive", f"file={sector.name},format=raw,if=ide",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=tool_environment(),
        )
        # fmt: on
        try:
            _, errors = await asyncio.wait_for(process.communicate(), limit_s)
        except TimeoutError:
            process.kill()
            await process.wait()
            return f"no sign of life within {limit_s:.0f} s"
    if process.returncode == _PROBE_EXIT:
        return ""
    last = (errors.decode(errors="replace").strip().splitlines() or ["no message"])[-1]
    return f"QEMU ended with {process.returncode}: {last[:200]}"


@dataclass(frozen=True)
class Deadlines:
    """Limits in seconds."""

    boot_s: float  # from power-on to the agent's first word
    resume_s: float  # the same for a clone
    park_s: float  # all that a machine loads before it is parked, or before it waits in the pool
    seed_s: float  # all that the agent does with a seed
    shutdown_s: float  # from the power button to the end


# Software emulation is ten to fifty times slower, and more when twenty machines boot at once.
DEADLINES = {
    Accelerator.KVM: Deadlines(boot_s=120, resume_s=10, park_s=120, seed_s=60, shutdown_s=30),
    Accelerator.TCG: Deadlines(boot_s=900, resume_s=60, park_s=600, seed_s=300, shutdown_s=90),
}
