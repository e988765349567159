"""QEMU's command line for a machine. Pure: values in, list of words out.

Options are those of QEMU 7.2 (Debian 12) and newer. Network cards and volume are not on it: they
are plugged in over QMP (`monitor.py`), before the processor runs, so that a clone, whose memory
comes from elsewhere, gets its own.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

from vmlab.providers.qemu.machine.disks import (
    CARD_BUS,
    EVENT_BUS,
    ON_ERROR,
    SNAPSHOT_BUS,
    VOLUME_BUS,
    make_blockdev,
)
from vmlab.providers.qemu.machine.machine import ROOT_DISK
from vmlab.providers.qemu.process.accelerator import Accelerator
from vmlab.providers.qemu.process.confine import TRANSLATION_BUFFER_MIB

QMP_FD, AGENT_FD, EVENTS_FD = 100, 101, 102
"""Descriptors by which QEMU gets its sockets: it can make no file in its folder. The last one is
connected to the shim, which is told there why the machine ends."""

PLAIN_KERNEL_ARGS = "root=/dev/vda rw console=ttyS0"
"""What a distribution's boot loader would say."""

# ref: QEMU manual, "-sandbox": QEMU needs none of these after it was started.
_SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"

_ROOT_DISK_WORDS = (
    "-blockdev",
    json.dumps(make_blockdev("root", ROOT_DISK)),
    "-device",
    ",".join(["virtio-blk-pci,drive=root,serial=root", *(f"{k}={v}" for k, v in ON_ERROR.items())]),
)


@dataclass(frozen=True)
class MemoryFile:
    """A file that holds the guest's memory.

    Shared: the guest's writes go into the file, which is how a template is made. Otherwise the
    file is where a clone begins, and each page that it writes becomes its own.
    """

    path: Path
    shared: bool


@dataclass(frozen=True)
class QemuMachine:
    """All that the command line depends on; QEMU runs in the machine's folder."""

    name: str
    memory_mib: int
    cpus: int
    accelerator: Accelerator
    kernel: Path
    initrd: Path
    kernel_args: str
    memory_file: MemoryFile | None = None
    translation_mib: int = TRANSLATION_BUFFER_MIB  # a clone's may differ from its template's

    @property
    def is_clone(self) -> bool:
        """Whether it begins with a template's memory instead of a boot."""
        return self.memory_file is not None and not self.memory_file.shared


def make_argv(machine: QemuMachine) -> list[str]:
    """Return the words of the command, program first. QEMU waits to be told to run the guest."""
    # fmt: off
    return [
        "qemu-system-x86_64",
        "-name", f"guest={machine.name},process=vmlab-{machine.name}"[:200],
        "-nodefaults", "-no-user-config", "-display", "none",
        # A guest that reboots comes back without its seed, so nothing in it would answer: it ends
        # instead, and the hub, which is told why, starts it again.
        "-action", "reboot=shutdown,panic=shutdown",
        "-sandbox", _SANDBOX,
        "-machine", "q35,usb=off,vmport=off,hpet=off,memory-backend=ram0",
        *_accelerator_words(machine),
        "-smp", str(machine.cpus),
        "-m", f"{machine.memory_mib}M",
        "-object", json.dumps(_memory_backend(machine)),
        # The guest's kernel reseeds when this changes; the seed brings randomness of its own.
        "-device", "vmgenid,guid=auto",
        "-object", "rng-random,id=rng0,filename=/dev/urandom",
        "-device", "virtio-rng-pci,rng=rng0",
        "-device", "virtio-serial-pci,id=serial0",
        "-chardev", socket_option("agent", AGENT_FD),
        "-device", "virtserialport,bus=serial0.0,chardev=agent,name=org.vmlab.agent",
        *_ROOT_DISK_WORDS,
        "-device", f"pcie-root-port,id={CARD_BUS},chassis=1,slot=1",
        "-device", f"pcie-root-port,id={VOLUME_BUS},chassis=2,slot=2",
        "-device", f"pcie-root-port,id={SNAPSHOT_BUS},chassis=3,slot=3",
        "-device", f"pcie-root-port,id={EVENT_BUS},chassis=4,slot=4",
        "-kernel", str(machine.kernel),
        "-initrd", str(machine.initrd),
        "-append", _kernel_args(machine),
        # The shim reads the console from standard output and keeps its end.
        "-chardev", "stdio,id=console,signal=off",
        "-serial", "chardev:console",
        "-chardev", socket_option("qmp", QMP_FD),
        "-mon", "chardev=qmp,mode=control",
        "-chardev", f"socket,id=events,fd={EVENTS_FD}",
        "-mon", "chardev=events,mode=control",
        "-device", "pvpanic",
        *(("-incoming", "defer") if machine.is_clone else ("-S",)),
    ]
    # fmt: on


def hash_shape(machine: QemuMachine) -> str:
    """Return a digest of what a template and its clones must have in common.

    Everything on the command line but names, and files, which the image's version stands for.
    """
    bare = replace(
        machine,
        name="",
        kernel=Path(),
        initrd=Path(),
        memory_file=None,
        translation_mib=TRANSLATION_BUFFER_MIB,
    )
    return hashlib.sha256(json.dumps(make_argv(bare)).encode()).hexdigest()


def _accelerator_words(machine: QemuMachine) -> list[str]:
    if machine.accelerator is Accelerator.KVM:
        return ["-accel", "kvm", "-cpu", "host"]
    return ["-accel", f"tcg,thread=multi,tb-size={machine.translation_mib}", "-cpu", "max"]


def _kernel_args(machine: QemuMachine) -> str:
    """Return the kernel's arguments.

    Emulated, cmpxchg16b leaves arbitrary flags behind (QEMU 7.2, `helper_cmpxchg16b_unlocked`). The
    kernel allocates memory with it, and one boot of some hundred ends in a panic: an interrupt just
    after it saves these flags. The kernel has another way; programs still find the instruction.
    """
    if machine.accelerator is Accelerator.KVM:
        return machine.kernel_args
    return f"{machine.kernel_args} clearcpuid=cx16"


def _memory_backend(machine: QemuMachine) -> dict[str, object]:
    size = machine.memory_mib * 2**20
    if machine.memory_file is None:
        return {"qom-type": "memory-backend-ram", "id": "ram0", "size": size}
    return {
        "qom-type": "memory-backend-file",
        "id": "ram0",
        "size": size,
        "mem-path": str(machine.memory_file.path),
        "share": machine.memory_file.shared,
    }


def socket_option(name: str, descriptor: int) -> str:
    """Return the option of a socket that listens already."""
    return f"socket,id={name},fd={descriptor},server=on,wait=off"
