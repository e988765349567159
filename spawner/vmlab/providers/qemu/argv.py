"""QEMU's command line for a machine. Pure: values in, list of words out.

Options are those of QEMU 7.2 (Debian 12) and newer.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from vmlab.model import SERVER_PORT, SSH_PORT
from vmlab.providers.qemu.accelerator import Accelerator

HOME_SERIAL = "home"
"""Serial number of the volume's disk: /dev/disk/by-id/virtio-home in the guest."""

INNER_SERVER_PORT = 8888
INNER_SSH_PORT = 2222
"""Where QEMU's user network listens, inside the machine's network namespace only."""

# Translated code of an idle desktop guest fits into 64 MiB; the default grows to 1 GiB a process
# (measured: 725 MiB resident against 333 MiB after boot).
_TRANSLATION_BUFFER_MIB = 64

# ref: QEMU manual, "-sandbox": QEMU needs none of these after it was started.
_SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"


@dataclass(frozen=True)
class QemuMachine:
    """All that the command line depends on."""

    name: str
    memory_mib: int
    cpus: int
    accelerator: Accelerator
    kernel: Path
    initrd: Path
    kernel_args: str
    root_disk: Path
    volume: Path | None
    qmp: Path
    agent: Path


def make_argv(machine: QemuMachine) -> list[str]:
    """Return the words of the command, program first."""
    # fmt: off
    return [
        "qemu-system-x86_64",
        "-name", f"guest={machine.name},process=vmlab-{machine.name}"[:200],
        "-nodefaults", "-no-user-config", "-display", "none",
        # A guest that reboots comes back without its seed, so nothing in it would answer: it ends
        # instead, the hub notices, and the next start seeds it.
        "-no-reboot",
        "-sandbox", _SANDBOX,
        "-machine", "q35,usb=off,vmport=off,hpet=off",
        *_accelerator_words(machine.accelerator),
        "-smp", str(machine.cpus),
        "-m", f"{machine.memory_mib}M",
        # The guest's kernel reseeds when this changes; the seed brings randomness of its own.
        "-device", "vmgenid,guid=auto",
        "-object", "rng-random,id=rng0,filename=/dev/urandom",
        "-device", "virtio-rng-pci,rng=rng0",
        "-device", "virtio-serial-pci,id=serial0",
        "-chardev", socket_option("agent", machine.agent),
        "-device", "virtserialport,bus=serial0.0,chardev=agent,name=org.vmlab.agent",
        *_disk_words("root", machine.root_disk, serial="root"),
        *(_disk_words("home", machine.volume, serial=HOME_SERIAL) if machine.volume else ()),
        *_network_words(),
        "-kernel", str(machine.kernel),
        "-initrd", str(machine.initrd),
        "-append", machine.kernel_args,
        # The shim reads the console from standard output and keeps its end.
        "-chardev", "stdio,id=console,signal=off",
        "-serial", "chardev:console",
        "-chardev", socket_option("qmp", machine.qmp),
        "-mon", "chardev=qmp,mode=control",
    ]
    # fmt: on


def _accelerator_words(accelerator: Accelerator) -> list[str]:
    if accelerator is Accelerator.KVM:
        return ["-accel", "kvm", "-cpu", "host"]
    return ["-accel", f"tcg,thread=multi,tb-size={_TRANSLATION_BUFFER_MIB}", "-cpu", "max"]


def _disk_words(node: str, path: Path, *, serial: str) -> list[str]:
    """Return one qcow2 disk. JSON, because a path may hold commas."""
    blockdev = {
        "driver": "qcow2",
        "node-name": node,
        "discard": "unmap",
        "detect-zeroes": "unmap",
        "file": {"driver": "file", "filename": str(path), "discard": "unmap", "locking": "on"},
    }
    return [
        "-blockdev",
        json.dumps(blockdev),
        "-device",
        f"virtio-blk-pci,drive={node},serial={serial}",
    ]


def _network_words() -> list[str]:
    """Return the card and its user network.

    The "host" that it sees is the machine's own network namespace (shim.py), where nothing listens
    but the relays to hub and proxy. `romfile=` is empty: no network boot, which costs seconds.
    """
    forwards = [
        f"hostfwd=tcp:127.0.0.1:{INNER_SERVER_PORT}-:{SERVER_PORT}",
        f"hostfwd=tcp:127.0.0.1:{INNER_SSH_PORT}-:{SSH_PORT}",
    ]
    return [
        "-netdev",
        ",".join(["user,id=net0,ipv6=off", *forwards]),
        "-device",
        "virtio-net-pci,netdev=net0,romfile=",
    ]


def socket_option(name: str, path: Path) -> str:
    """Return the option of a socket that QEMU opens; a comma in a path is doubled."""
    return f"socket,id={name},path={str(path).replace(',', ',,')},server=on,wait=off"
